"""What is on the rise: likes of each video, faded over several half-lives, up to the day before.

D_h(v, day) = Σ_{d < day} likes(v, d) · 2^{−(day − 1 − d) / h}. It is made from the running totals
of `DailyCounts`, so nothing more is stored, and like them it knows nothing of the day itself. The
ratio of likes per day at a short and at a long half-life parts what rises from what falls.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kinoloop.ranking.counts import DailyCounts
from kinoloop.schema import DAY_US

HALF_LIVES_DAYS = (1.0, 4.0, 14.0)
LEAST_A_DAY = 0.2  # likes per day that every rate starts with: the ratio of nothings is 1


class Trends:
    """Faded likes by video and day.

    Args:
        counts: Running totals.
        half_lives: Days, shortest first.
    """

    def __init__(self, counts: DailyCounts, half_lives: tuple[float, ...]) -> None:
        self._counts, self._half_lives = counts, np.asarray(half_lives)
        likes = np.diff(counts.totals[:, 2])
        videos, days = counts.keys // counts.span, counts.keys % counts.span
        faded = np.repeat(likes[:, None], len(half_lives), axis=1)
        # Keys are sorted by video, then day: step s adds to each (s + 1)-th day the one before it.
        first = np.searchsorted(counts.keys, videos * counts.span)
        step = np.arange(len(videos)) - first
        order = np.argsort(step, kind="stable")
        ends = np.cumsum(np.bincount(step)) if len(step) else np.zeros(0, dtype=np.int64)
        for start, end in pairwise(ends):
            at = order[start:end]
            faded[at] += faded[at - 1] * self._left(days[at] - days[at - 1])
        self._days, self._faded = days, faded

    def of(
        self, videos: NDArray[np.integer], timestamps: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        """Columns of (video, moment) pairs, (n,) each: likes that are left, and how they rise."""
        found = self.before(videos, timestamps)
        a_day = found * np.log(2) / self._half_lives + LEAST_A_DAY
        columns = {
            f"likes_{days:g}d": np.log1p(likes)
            for days, likes in zip(self._half_lives, found.T, strict=True)
        }
        for short, long in pairwise(range(len(found.T))):
            name = f"rise_{self._half_lives[short]:g}d_{self._half_lives[long]:g}d"
            columns[name] = np.log(a_day[:, short] / a_day[:, long])
        return columns

    def before(
        self, videos: NDArray[np.integer], timestamps: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Likes before the day of each moment, faded, (n, n_half_lives)."""
        counts = self._counts
        days = np.clip(timestamps // DAY_US - counts.first_day, 0, counts.span - 1)
        start = videos.astype(np.int64) * counts.span
        newest = np.searchsorted(counts.keys, start + days) - 1
        known = newest >= np.searchsorted(counts.keys, start)
        found = np.zeros((len(videos), len(self._half_lives)))
        at = newest[known]
        found[known] = self._faded[at] * self._left(days[known] - 1 - self._days[at])
        return found

    def _left(self, days: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share that is left after some days, (n, n_half_lives)."""
        return np.asarray(np.exp2(-days[:, None] / self._half_lives))
