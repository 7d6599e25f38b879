"""Coverage: the share of the catalogue that is shown to anybody."""

import numpy as np
from numpy.typing import NDArray


def coverage(slates: NDArray[np.integer], n_videos: int) -> float:
    """|distinct videos in all slates| / n_videos.

    Args:
        slates: (n_rows, k) internal indices.
        n_videos: Size of the catalogue.

    Examples:
        >>> coverage(np.array([[0, 1], [1, 2]]), n_videos=6)
        0.5
    """
    return len(np.unique(slates)) / n_videos
