"""Settings of `[retrieval]`."""

from pydantic import Field

from kinoloop.settings import NumbersConfig


class RetrievalConfig(NumbersConfig):
    """When the best are looked for among the nearest, and how well they must be found."""

    exact_below: int = Field(
        50_000, ge=1, description="With fewer videos every one is scored, and there is no index."
    )
    recall: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Least share of the best 100 that a search finds, however many videos a filter "
        "leaves; measured when a release is made.",
    )
    queries: int = Field(64, ge=8, description="Queries that measure it.")
    appended: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Share of videos that came since an index was built, from which it is built "
        "anew.",
    )
