"""Watch time without rewarding length: how long somebody watched, among videos equally long.

Seconds watched favour long videos and the watched share favours short ones; both follow duration
more than interest. Videos are put into bins of like duration with equally many views, and a watch
time becomes its quantile among the views of its bin: 0.8 says "longer than 80 % of the views of
videos of this length".

Source: Zhan et al., KDD 2022, "Deconfounding Duration Bias in Watch-time Prediction for Video
Recommendation" (D2Q, section 4.2, duration-based data splitting).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 20
GRID = 101  # quantiles kept a bin
SMALLEST_BIN = 50  # views; below, bins are joined: quantiles of a handful say nothing


@dataclass(frozen=True)
class WatchQuantiles:
    """Quantiles of watch time by bin of duration.

    Attributes:
        edges: (n_bins − 1,) seconds, upper edges of all bins but the last.
        grid: (n_bins, GRID) seconds, increasing along a row.
        overall: (GRID,) of all views, for videos of unknown duration.
    """

    edges: NDArray[np.float64]
    grid: NDArray[np.float64]
    overall: NDArray[np.float64]

    @classmethod
    def fit(
        cls, watch_s: NDArray[np.floating], durations_s: NDArray[np.floating]
    ) -> "WatchQuantiles":
        """Learn from views.

        Args:
            watch_s: (n,) seconds watched; NaN is left out.
            durations_s: (n,) seconds; NaN or 0 where unknown.

        Examples:
            >>> durations = np.repeat([10.0, 100.0], 100)
            >>> watched = durations * np.tile(np.linspace(0, 1, 100), 2)
            >>> quantiles = WatchQuantiles.fit(watched, durations)
            >>> quantiles.of(np.array([5.0, 50.0]), np.array([10.0, 100.0])).round(2)
            array([0.5, 0.5])
        """
        known = np.isfinite(watch_s)
        watch, durations = watch_s[known].astype(float), durations_s[known].astype(float)
        points = np.linspace(0, 1, GRID)
        overall = np.quantile(watch, points) if len(watch) else np.linspace(0, 1, GRID)
        sized = np.isfinite(durations) & (durations > 0)
        watch, durations = watch[sized], durations[sized]
        bins = min(BINS, len(watch) // SMALLEST_BIN)
        if bins < 1:
            return cls(np.empty(0), overall[None], overall)
        edges = np.unique(np.quantile(durations, np.arange(1, bins) / bins))
        at = np.searchsorted(edges, durations)
        grid = [
            np.quantile(watch[at == b], points) if (at == b).any() else overall
            for b in range(len(edges) + 1)
        ]
        return cls(edges, np.array(grid), overall)

    def of(
        self, watch_s: NDArray[np.floating], durations_s: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Quantile of each watch time in its bin, (n,) in [0, 1]; NaN where it is unknown.

        Of equal watch times in a bin the middle of their quantiles counts.
        """
        found = np.full(len(watch_s), np.nan)
        sized = np.isfinite(durations_s) & (durations_s > 0)
        at = np.where(sized, np.searchsorted(self.edges, durations_s), -1)
        for b in np.unique(at[np.isfinite(watch_s)]):
            here = np.flatnonzero((at == b) & np.isfinite(watch_s))
            row = self.overall if b < 0 else self.grid[b]
            below = np.searchsorted(row, watch_s[here], side="left")
            upto = np.searchsorted(row, watch_s[here], side="right")
            # between grid points in proportion; on a run of equal points its middle
            inside = np.interp(watch_s[here], row, np.arange(GRID))
            tied = np.where(upto - below > 1, (below + upto - 1) / 2, inside)
            found[here] = tied / (GRID - 1)
        return found
