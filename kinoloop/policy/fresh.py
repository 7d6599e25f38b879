"""Places for new videos: nobody has watched them yet, so that scores alone would bring them late.

Of each `within` places, `places` go to videos younger than `days`, spread evenly: one of ten is the
sixth. Where the slate has a new video by then by itself, the place is not kept. Which new videos,
the scores say.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.models.scores import Scored
from kinoloop.models.top_k import best
from kinoloop.policy.head import WANTED, Context, Head, Rule
from kinoloop.schema import DAY_US
from kinoloop.settings import Config


class FreshConfig(Config):
    """Places for new videos."""

    places: int = Field(0, ge=0, description="Kept for new videos, of each `within`; 0: none.")
    within: int = Field(10, ge=1, description="Of so many places.")
    days: float = Field(7.0, gt=0, description="Younger than this is new, days.")


class Fresh(Rule):
    """Keeps places.

    Args:
        config: How many, for what.
        published: (n_videos,) µs since the epoch.
    """

    name = "fresh"

    def __init__(self, config: FreshConfig, published: NDArray[np.int64]) -> None:
        self._config = config
        self._published = published
        within = config.within
        kept = min(config.places, within)
        self._offsets = [(i + 1) * within // (kept + 1) for i in range(kept)]

    def joins(self, scores: Scored, context: Context) -> NDArray[np.integer]:
        """Return the best new videos, as many as there may be places for."""
        new = np.flatnonzero(self._new(self._published, context.moment))
        blocks = -(-context.top_k // self._config.within)
        return new[best(scores[new], blocks * len(self._offsets))]

    def begin(self, head: Head, context: Context) -> "_Kept":
        """Begin a slate."""
        new = self._new(self._published[head.videos], context.moment)
        return _Kept(new, self._offsets, self._config.within, context.before)

    def _new(self, published: NDArray[np.int64], moment: int) -> NDArray[np.bool_]:
        since = moment - round(self._config.days * DAY_US)
        return np.asarray((published > since) & (published <= moment))


class _Kept:
    def __init__(
        self, new: NDArray[np.bool_], offsets: list[int], within: int, before: int
    ) -> None:
        self._new, self._offsets, self._within = new, offsets, within
        self._before = before
        self._taken = 0
        self._penalty = np.where(new, 0.0, WANTED)

    def penalty(self, place: int) -> NDArray[np.float64] | float:
        block, at = divmod(self._before + place, self._within)
        due = block * len(self._offsets) + sum(offset <= at for offset in self._offsets)
        return self._penalty if self._taken < due else 0.0

    def take(self, at: int) -> None:
        self._taken += int(self._new[at])
