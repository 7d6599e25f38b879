"""Popularity bias: how much more popular the slates are than what their users watch."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories


def popularity(slates: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean popularity of a slate as a share of the most watched video's, by row, (n_rows,).

    Args:
        slates: (n_rows, k) internal indices.
        counts: (n_videos,) training events per video.

    Source: Yin et al., VLDB 2012 (average recommendation popularity), scaled to [0, 1].

    Examples:
        >>> popularity(np.array([[0, 1], [1, 2]]), counts=np.array([4, 2, 0]))
        array([0.75, 0.25])
    """
    return np.asarray((counts / max(int(counts.max(initial=0)), 1))[slates].mean(axis=1))


def popularity_lift(
    slates: NDArray[np.integer], histories: Histories, counts: NDArray[np.integer]
) -> float:
    """(GAP of slates − GAP of histories) / GAP of histories; 0 is as popular as what users watch.

    GAP is the mean over users of the mean popularity of their videos. NaN where no history has a
    video that training knows.

    Args:
        slates: (n_rows, k) internal indices.
        histories: The rows that the slates are for; empty ones are left out.
        counts: (n_videos,) training events per video.

    Source: Abdollahpouri et al., RMSE at RecSys 2019, "The Unfairness of Popularity Bias in
    Recommendation", section 3.3 (ΔGAP).

    Examples:
        >>> from kinoloop.data.histories import Interaction
        >>> watched = Histories.from_rows([[Interaction(1)]])
        >>> popularity_lift(np.array([[0, 1]]), watched, counts=np.array([4, 2, 0]))
        0.5
    """
    busy = np.flatnonzero(histories.lengths > 0)
    lengths = histories.lengths[busy]
    sums = np.bincount(
        histories.row_of, weights=counts[histories.videos], minlength=len(histories)
    )[busy]
    watched = float((sums / lengths).mean()) if len(busy) else 0.0
    if not watched:
        return float("nan")
    return float(counts[slates[busy]].mean(axis=1).mean() / watched - 1)
