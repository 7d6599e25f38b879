"""What an extraction did, for people and for the next task."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import polars as pl

from kinoloop.extraction.products import Product, VectorProduct
from kinoloop.extraction.shard import Made


@dataclass
class ExtractReport:
    """Counts of one run.

    Attributes:
        videos: In the catalogue.
        pending: Of these, how many missed something.
        done: How many were brought up to date.
        hashed: Files whose hash was not known.
        unreachable: Of the videos, how many stay as they were: a server did not say what is new.
        outcomes: Decoded media by outcome: ok, partial, quarantined, waiting.
        reasons: Of partial and quarantined media.
        features: Rows written by modality; a missing modality is a row too.
        missing: Of these, how many say that the video has nothing of the modality.
        fingerprints: Vector space by modality.
        encoders: Settings kind by modality.
        seconds: Wall time, loading of models included.
    """

    videos: int = 0
    pending: int = 0
    done: int = 0
    hashed: int = 0
    unreachable: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    fingerprints: dict[str, str] = field(default_factory=dict)
    encoders: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def start(cls, videos: int, pending: int, products: Sequence[Product], *, hashed: int) -> Self:
        """Begin the report of a run that has done nothing yet."""
        spaces = [product for product in products if isinstance(product, VectorProduct)]
        return cls(
            videos=videos,
            pending=pending,
            hashed=hashed,
            fingerprints={space.modality: space.fingerprint for space in spaces},
            encoders={space.modality: space.kind for space in spaces},
        )

    def add(self, made: Made) -> None:
        """Count a shard that was committed."""
        self.done += made.videos
        if "media" in made.frames:
            media = made.frames["media"]
            self.outcomes.update(media["outcome"])
            self.reasons.update(reason for reason in media["reason"] if reason)
        if "features" in made.frames:
            features = made.frames["features"]
            self.features.update(features["modality"])
            self.missing.update(features.filter(~pl.col("present"))["modality"])

    @property
    def left_out(self) -> int:
        """Videos that were not read for lack of time or of a server; the next run tries again."""
        return self.unreachable + self.outcomes["waiting"]

    @property
    def rate(self) -> float:
        """Videos per second."""
        return self.done / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        facts = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }
        facts["left_out"] = self.left_out
        return {**facts, "rate": round(self.rate, 2), "seconds": round(self.seconds, 2)}
