"""Log loss: how surprised predicted probabilities are by what happened, in nats."""

import numpy as np
from numpy.typing import ArrayLike

SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1, so that one miss is finite


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of −log p(what happened); 0 is perfect, 0.693 is a coin.

    Args:
        labels: (n,) 0 and 1.
        probabilities: (n,) of label 1.

    Examples:
        >>> round(log_loss([1, 0], [0.8, 0.4]), 6)
        0.366985
    """
    happened = np.asarray(labels, dtype=np.float64)
    p = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return float(-(happened * np.log(p) + (1 - happened) * np.log1p(-p)).mean())
