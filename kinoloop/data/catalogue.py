"""The videos that can be recommended: ids, words, times and one matrix of vectors a modality."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap


@dataclass(frozen=True)
class Modality:
    """Vectors of one modality under one encoder.

    Attributes:
        vectors: (n_videos, dim) float32, L2-normalised; zero where `present` is False.
        present: (n_videos,) bool; False means missing, not zero.
        fingerprint: Of the encoder that made the vectors.
    """

    vectors: NDArray[np.float32]
    present: NDArray[np.bool_]
    fingerprint: str


@dataclass(frozen=True)
class Catalogue:
    """The videos of one dataset version, in internal order.

    Attributes:
        ids: External video ids.
        published_at: (n_videos,) int64, µs since the epoch, UTC.
        videos: One row a video in internal order; columns of `schema.VIDEOS` that serving shows
            (`video_id`, `title`, `description`, `category`, `tags`, `creator_id`, `duration_s`, …).
        modalities: Vectors by modality name; may be empty.
    """

    ids: IdMap
    published_at: NDArray[np.int64]
    videos: pl.DataFrame
    modalities: dict[str, Modality] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint by modality."""
        return {name: modality.fingerprint for name, modality in self.modalities.items()}
