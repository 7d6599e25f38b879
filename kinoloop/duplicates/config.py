"""Settings of the search for near-duplicates: section `duplicates` of `kinoloop.toml`."""

from pydantic import Field

from kinoloop.settings import Config


class DuplicatesConfig(Config):
    """What counts as the same content; measured by `benchmarks/duplicates.py`."""

    enabled: bool = Field(default=True, description="Whether the extract flow looks for them.")
    max_bits: int = Field(
        default=12, ge=0, le=20, description="Two pictures are alike up to this many of 64 bits."
    )
    min_share: float = Field(
        default=0.6, gt=0, le=1, description="Share of alike pictures among those both should show."
    )
    min_overlap: float = Field(
        default=0.5, gt=0, le=1, description="Share of the shorter one that lies in the other."
    )
    min_sound: float = Field(
        default=0.62, gt=0.5, le=1, description="Share of equal bits from which two sounds agree."
    )
    min_cosine: float = Field(
        default=0.6, ge=-1, le=1, description="Of the visual vectors; below it, not the same."
    )
