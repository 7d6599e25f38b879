"""Novelty: how surprising the shown videos are, in bits."""

import numpy as np
from numpy.typing import NDArray


def novelty(slates: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean of −log2 p(video) over a slate, by row, (n_rows,).

    p is the video's share of training events with one added to every video, so that a video that
    nobody has watched is finitely new.

    Args:
        slates: (n_rows, k) internal indices.
        counts: (n_videos,) training events per video.

    Source: Vargas and Castells, RecSys 2011, section 4 (self-information).

    Examples:
        >>> novelty(np.array([[0, 1]]), counts=np.array([3, 1, 0, 0]))
        array([1.5])
    """
    share = (counts + 1) / (counts + 1).sum()
    return np.asarray(-np.log2(share)[slates].mean(axis=1), dtype=np.float64)
