"""What an extraction did, for people and for the next task."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kinoloop.extraction.pending import Space


@dataclass
class ExtractReport:
    """Counts of one run.

    Attributes:
        videos: In the catalogue.
        pending: Of these, how many missed something.
        done: How many were brought up to date.
        hashed: Files whose hash was not known.
        outcomes: Decoded media by outcome: ok, partial, quarantined.
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
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    fingerprints: dict[str, str] = field(default_factory=dict)
    encoders: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def start(cls, videos: int, pending: int, spaces: Sequence[Space], *, hashed: int) -> Self:
        """The report of a run that has done nothing yet."""
        return cls(
            videos=videos,
            pending=pending,
            hashed=hashed,
            fingerprints={space.modality: space.fingerprint for space in spaces},
            encoders={space.modality: type(space.encoder).__name__ for space in spaces},
        )

    def add(self, videos: int, features: list[dict[str, Any]], media: list[dict[str, Any]]) -> None:
        """Count a shard that was committed."""
        self.done += videos
        self.outcomes.update(row["outcome"] for row in media)
        self.reasons.update(row["reason"] for row in media if row["reason"])
        self.features.update(row["modality"] for row in features)
        self.missing.update(row["modality"] for row in features if not row["present"])

    @property
    def rate(self) -> float:
        """Videos a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        facts = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }
        return {**facts, "rate": round(self.rate, 2), "seconds": round(self.seconds, 2)}
