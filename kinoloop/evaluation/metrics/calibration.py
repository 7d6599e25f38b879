"""Calibration: of what was predicted at 30 %, do 30 % happen?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS
) -> NDArray[np.float64]:
    """Per bin of equal width that is not empty: mean prediction, share that happened, rows.

    Returns:
        (n_bins, 3) float64, for the reliability diagram.

    Examples:
        >>> reliability([1, 0, 1], [0.9, 0.1, 0.9], bins=2)
        array([[0.1, 0. , 1. ],
               [0.9, 1. , 2. ]])
    """
    happened = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    at = np.minimum((p * bins).astype(np.int64), bins - 1)
    rows = np.bincount(at, minlength=bins)
    full = rows > 0
    predicted = np.bincount(at, weights=p, minlength=bins)[full] / rows[full]
    share = np.bincount(at, weights=happened, minlength=bins)[full] / rows[full]
    return np.column_stack([predicted, share, rows[full]])


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS) -> float:
    """Compute expected calibration error: Σ_bins rows/n · |mean prediction − share that happened|.

    Args:
        labels: (n,) 0 and 1.
        probabilities: (n,) of label 1.
        bins: Of equal width over [0, 1].

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017, equation 3.

    Examples:
        >>> round(calibration_error([1, 0], [0.8, 0.4]), 6)
        0.3
    """
    table = reliability(labels, probabilities, bins=bins)
    if not len(table):
        return 0.0
    return float((table[:, 2] * np.abs(table[:, 0] - table[:, 1])).sum() / table[:, 2].sum())
