"""Videos whose time has not come: in no answer before the moment that they are published."""

import time

import numpy as np
from numpy.typing import NDArray

ALL_OUT = np.iinfo(np.int64).max
"""A moment at which every video is published."""


def now(moment: int | None = None) -> int:
    """`moment`, or the present, µs since the epoch."""
    return time.time_ns() // 1000 if moment is None else moment


class Premieres:
    """Finds what lies ahead of a moment: a binary search, and nothing to do for a past catalogue.

    Args:
        published_at: (n_videos,) int64, µs since the epoch; a video without a date counts as out.

    Examples:
        >>> Premieres(np.array([30, 0, 10])).ahead(10)
        array([0])
    """

    def __init__(self, published_at: NDArray[np.int64]) -> None:
        self._order = np.argsort(published_at, kind="stable")
        self._times = np.asarray(published_at)[self._order]

    def ahead(self, moment: int) -> NDArray[np.intp]:
        """Positions of videos that are published after `moment`, µs since the epoch."""
        return self._order[np.searchsorted(self._times, moment, side="right") :]
