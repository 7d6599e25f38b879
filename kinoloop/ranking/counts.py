"""How often each video was shown and liked before a day: counts that know nothing of the future.

A rate over the whole training window would contain the very click that is to be predicted. A count
up to the day before does not, and is what a release knows when it serves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.models.base import State
from kinoloop.schema import DAY_US

PRIOR_SHOWS = 10.0  # shows at the mean rate that every video starts with


@dataclass(frozen=True)
class DailyCounts:
    """Running totals by video and day.

    Attributes:
        keys: (n,) int64, sorted, video × `span` + day.
        totals: (n + 1, 3) float64, shows, likes of what was shown, and likes in all before a key.
        first_day: Day 0.
        span: Days per video.
        rate: Likes per show over all.
    """

    keys: NDArray[np.int64]
    totals: NDArray[np.float64]
    first_day: int
    span: int
    rate: float

    @classmethod
    def of(
        cls,
        videos: NDArray[np.integer],
        timestamps: NDArray[np.int64],
        *,
        shown: NDArray[np.bool_],
        liked: NDArray[np.bool_],
    ) -> "DailyCounts":
        """Count exposures.

        Args:
            videos: (n,) internal indices.
            timestamps: (n,) µs.
            shown: (n,) whether there was an impression.
            liked: (n,) labels.
        """
        days = timestamps // DAY_US
        first = int(days.min()) if len(days) else 0
        span = int(days.max()) - first + 2 if len(days) else 1
        raw = videos.astype(np.int64) * span + (days - first)
        keys, where = np.unique(raw, return_inverse=True)
        columns = [shown, shown & liked, liked]
        sums = [np.bincount(where, weights=c, minlength=len(keys)) for c in columns]
        totals = np.vstack([np.zeros(3), np.cumsum(np.column_stack(sums), axis=0)])
        shows = float(shown.sum())
        rate = float((shown & liked).sum()) / shows if shows else 0.5
        return cls(keys, totals, first, span, rate)

    @property
    def newest(self) -> int:
        """The first moment, µs, at which everything that was counted counts."""
        return (self.first_day + self.span - 1) * DAY_US

    def before(
        self, videos: NDArray[np.integer], timestamps: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Count shows, likes of shows, and all likes before the day of each moment, (n, 3)."""
        days = np.clip(timestamps // DAY_US - self.first_day, 0, self.span - 1)
        start = videos.astype(np.int64) * self.span
        upto = np.searchsorted(self.keys, start + days)
        return np.asarray(self.totals[upto] - self.totals[np.searchsorted(self.keys, start)])

    def smoothed(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rate of likes per show, drawn to the mean where shows are few."""
        return np.asarray((counts[:, 1] + PRIOR_SHOWS * self.rate) / (counts[:, 0] + PRIOR_SHOWS))

    def state(self) -> State:
        """Arrays to save."""
        facts = np.array([self.first_day, self.span, self.rate])
        return {"count_keys": self.keys, "count_totals": self.totals, "count_facts": facts}

    @classmethod
    def from_state(cls, state: State) -> "DailyCounts":
        """Take back what `state` gave."""
        first, span, rate = state["count_facts"].tolist()
        return cls(state["count_keys"], state["count_totals"], int(first), int(span), rate)
