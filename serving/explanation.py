"""How a slate came about, as it travels; `kinoloop.policy.trace` makes it."""

from pydantic import BaseModel, Field


class Move(BaseModel):
    """A step that moved a video."""

    rule: str = Field(description="Reason code; see the page on policy.")
    from_: int | None = Field(alias="from", description="Place before, from 1; null: none.")
    to: int = Field(description="Place after it, from 1.")


class Explained(BaseModel):
    """How one place of a slate came about."""

    video_id: str
    place: int = Field(description="From 1.")
    was: int | None = Field(description="Place by retrieval alone among what may be there.")
    moved: list[Move]


class Left(BaseModel):
    """A video that retrieval alone would have put in the slate."""

    video_id: str
    place: int = Field(description="By retrieval alone among all that is shown to anybody, from 1.")
    rule: str = Field(description="Reason code of what it left by.")


class Explanation(BaseModel):
    """How a slate came about."""

    places: list[Explained]
    left: list[Left]
