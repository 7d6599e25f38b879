"""MRR@k: one over the rank of the first target."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.evaluation.ranks import Ranks


@METRICS.register("mrr")
def mrr(ranks: Ranks, *, k: int) -> NDArray[np.float64]:
    """1 / rank of the best target where that is ≤ k, else 0, by row, (n_rows,).

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> mrr(two_rows, k=10)
        array([1. , 0.5])
    """
    best = np.zeros(len(ranks))
    rows = np.repeat(np.arange(len(ranks)), ranks.counts)
    np.maximum.at(best, rows, np.where(ranks.ranks <= k, 1 / ranks.ranks, 0.0))
    return best
