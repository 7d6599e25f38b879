"""Evenly spaced samples: the same rows each time, from one end to the other."""

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(n: int, at_most: int) -> NDArray[np.int64]:
    """Positions of at most `at_most` of n rows, first and last among them, ascending.

    Example:
        >>> evenly_spaced(9, 3).tolist(), evenly_spaced(2, 5).tolist(), evenly_spaced(0, 5).tolist()
        ([0, 4, 8], [0, 1], [])
    """
    return np.unique(np.linspace(0, n - 1, min(at_most, n)).astype(np.int64))
