"""Series: the next episode, and neither one that was seen nor one that comes later.

Of each series a user sees the episode after the latest one that they have met, or the first one.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.head import Context, Rule
from kinoloop.settings import Config


class SeriesConfig(Config):
    """The next episode of a series."""

    column: str = Field("", description="Which series a video is part of; empty: off.")
    episode: str = Field(
        "episode", description="Column of its number; episodes without one follow by publication."
    )


class Series(Rule):
    """Leaves out all episodes but the next one.

    Args:
        codes: (n_videos,) series of each video; −1 for none.
        episodes: (n_videos,) number of the episode, NaN where unknown.
    """

    name = "series"

    def __init__(self, codes: NDArray[np.int32], episodes: NDArray[np.float64]) -> None:
        parts = np.flatnonzero(codes >= 0)
        numbers = np.where(np.isnan(episodes), np.inf, episodes)[parts]
        order = parts[np.lexsort((parts, numbers, codes[parts]))]
        self._codes, self._order = codes, order  # by series, then by episode
        self._starts = np.searchsorted(codes[order], np.arange(codes.max(initial=-1) + 2))
        self._rank = np.full(len(codes), -1)
        self._rank[order] = np.arange(len(order))

    def leaves(self, context: Context) -> NDArray[np.integer]:
        """Every episode that is not the next one."""
        met = np.concatenate([context.met, context.history.videos]).astype(np.intp)
        ranks = self._rank[met]
        ranks = ranks[ranks >= 0]
        nexts = self._starts[:-1].copy()
        np.maximum.at(nexts, self._codes[self._order[ranks]], ranks + 1)
        nexts = nexts[nexts < self._starts[1:]]  # else it was the last one
        left = np.ones(len(self._order), dtype=np.bool_)
        left[nexts] = False
        return self._order[left]
