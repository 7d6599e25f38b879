"""Recall@k and hit rate@k: how many of the targets are among the first k, and whether any is."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.evaluation.ranks import Ranks


@METRICS.register("recall")
def recall(ranks: Ranks, *, k: int) -> NDArray[np.float64]:
    """|targets in the first k| / |targets|, by row, (n_rows,); 0 without a target.

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> recall(two_rows, k=3)
        array([0.5, 1. ])
    """
    return ranks.sums((ranks.ranks <= k).astype(np.float64)) / np.maximum(ranks.counts, 1)


@METRICS.register("hr")
def hit_rate(ranks: Ranks, *, k: int) -> NDArray[np.float64]:
    """1 where any target is in the first k, by row, (n_rows,); the mean is HR@k of the papers.

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> hit_rate(two_rows, k=1)
        array([1., 0.])
    """
    return np.minimum(ranks.sums((ranks.ranks <= k).astype(np.float64)), 1.0)
