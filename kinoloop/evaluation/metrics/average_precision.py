"""Average precision@k; its mean over rows is MAP@k."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.evaluation.ranks import Ranks


@METRICS.register("map")
def average_precision(ranks: Ranks, *, k: int) -> NDArray[np.float64]:
    """Σ_{hits} precision@(rank of the hit) / min(n_targets, k), by row, (n_rows,).

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> average_precision(two_rows, k=10)
        array([0.75, 0.5 ])
    """
    rows = np.repeat(np.arange(len(ranks)), ranks.counts)
    order = np.lexsort((ranks.ranks, rows))  # best target of each row first
    hit_number = np.empty(len(order), dtype=np.float64)
    hit_number[order] = np.arange(len(order)) - ranks.offsets[:-1][rows[order]] + 1
    precision = np.where(ranks.ranks <= k, hit_number / ranks.ranks, 0.0)
    return ranks.sums(precision) / np.maximum(np.minimum(ranks.counts, k), 1)
