"""What a matcher learns from: positions of histories, and the videos they are compared with."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.matching.config import MatchingConfig
from kinoloop.models.warm_start import WarmStart


class Batch(NamedTuple):
    """Histories with their next video: (B, L) videos and weights, (B,) targets."""

    videos: NDArray[np.int64]
    weights: NDArray[np.float32]
    targets: NDArray[np.int64]


class Positions:
    """Liked videos that have something before them.

    Args:
        histories: What users did.
        n_videos: Of the catalogue.
        config: Lengths, sizes and how negatives are drawn.
        warm: The earlier training that is gone on from; its events are learned again in part.
    """

    def __init__(
        self,
        histories: Histories,
        n_videos: int,
        *,
        config: MatchingConfig,
        warm: WarmStart | None,
    ) -> None:
        self._histories, self._config, self._warm = histories, config, warm
        after_first = np.arange(len(histories.videos)) > histories.offsets[:-1][histories.row_of]
        self._at = np.flatnonzero(after_first & (histories.weights > 0))
        self.counts = np.bincount(histories.videos, minlength=n_videos)
        power = self.counts.astype(np.float64) ** config.negative_popularity
        self._chances = np.cumsum(np.where(self.counts > 0, power, 0.0))
        self._targets = np.bincount(histories.videos[self._at], minlength=n_videos)

    def drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Negatives of a step, (negatives,), among videos that somebody watched."""
        draws = rng.random(self._config.negatives) * self._chances[-1]
        found = np.searchsorted(self._chances, draws, side="right")  # never one without chance
        return np.asarray(found, dtype=np.int64)

    def log_expected(self, videos: NDArray[np.int64], batch: int) -> NDArray[np.float32]:
        """Log of how often a step compares with each of some videos, on average.

        Args:
            videos: (n,) each of them a target or drawn.
            batch: Positions of the step, whose targets are compared with, too.
        """
        as_target = batch * self._targets[videos] / max(1, len(self._at))
        share = np.diff(self._chances, prepend=0.0)[videos] / self._chances[-1]
        expected = as_target + self._config.negatives * share
        return np.asarray(np.log(expected), dtype=np.float32)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Batches in random order."""
        histories, config, positions = self._histories, self._config, self._at
        if self._warm is not None:
            positions = positions[self._warm.replayed(histories.timestamps[positions], rng)]
        picked = rng.permutation(positions)[: config.max_positions]
        begins = histories.offsets[:-1][histories.row_of]
        steps = np.arange(1, config.length + 1)
        recency = np.power(config.decay, steps - 1).astype(np.float32)
        for start in range(0, len(picked), config.batch_size):
            at = picked[start : start + config.batch_size]
            before = at[:, None] - steps
            real = before >= begins[at][:, None]
            before = np.where(real, before, 0)
            yield Batch(
                histories.videos[before].astype(np.int64),
                np.where(real, histories.weights[before] * recency, 0).astype(np.float32),
                histories.videos[at].astype(np.int64),
            )
