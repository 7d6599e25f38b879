"""The videos that a batch is compared with, drawn among those that training has seen.

A video without an event is never the next one, and as a negative it would only teach that videos
without an event are bad: new videos would sink, whatever they show.
"""

import numpy as np
from numpy.typing import NDArray

Drawn = tuple[NDArray[np.int64], NDArray[np.float32]]


class Negatives:
    """Draws by popularity.

    Args:
        counts: (n_videos,) events per video in training.
        number: Draws per step, with replacement; None or at least as many as videos: all of them.
        popularity: Exponent α of q ∝ count^α; 0 is uniform.
        softmax: Whether draws are corrected for the softmax; else they come with their log count.

    Attributes:
        share: Draws over the videos that training has seen, at most 1.
    """

    def __init__(
        self,
        counts: NDArray[np.int64],
        *,
        number: int | None,
        popularity: float,
        softmax: bool,
    ) -> None:
        self._seen = np.flatnonzero(counts)
        self._softmax = softmax
        self._number = None if number is None or number >= len(self._seen) else number
        share = np.power(counts[self._seen].astype(np.float64), popularity)
        share /= max(float(share.sum()), 1e-12)
        self._cumulative = np.cumsum(share)
        self._log_expected = np.log(share * (self._number or 1)).astype(np.float32)
        self.share = 1.0 if self._number is None else self._number / len(self._seen)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw internal indices, each once, with what `losses.Compared` calls their correction.

        A video that was drawn n times stands once: its correction is log E[n] − log n.
        """
        if self._number is None:
            return self._seen, np.zeros(len(self._seen), dtype=np.float32)
        drawn = np.searchsorted(self._cumulative, rng.random(self._number))
        places, times = np.unique(np.minimum(drawn, len(self._seen) - 1), return_counts=True)
        log_times = np.log(times).astype(np.float32)
        correction = self._log_expected[places] - log_times if self._softmax else log_times
        return self._seen[places], correction
