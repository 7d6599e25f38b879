"""Likeness of vectors whose lengths differ."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cosines(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float32]:
    """Cosine of each pair of rows, (n_left, n_right) float32; 0 where a row is 0."""
    norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    return np.asarray(left @ right.T / np.maximum(norms, 1e-12), dtype=np.float32)
