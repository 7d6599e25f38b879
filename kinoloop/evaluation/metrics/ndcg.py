"""NDCG@k: hits count more near the top, against the best order that was possible."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.evaluation.ranks import Ranks


@METRICS.register("ndcg")
def ndcg(ranks: Ranks, *, k: int) -> NDArray[np.float64]:
    """DCG@k / IDCG@k with DCG = Σ_{rank ≤ k} 1 / log2(rank + 1), by row, (n_rows,).

    IDCG is the DCG of min(n_targets, k) hits at the top; a row without a target has 0.

    Source: Järvelin and Kekäläinen, ACM TOIS 20(4), 2002, binary relevance.

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> ndcg(two_rows, k=10).round(4)
        array([0.8772, 0.6309])
    """
    gains = np.where(ranks.ranks <= k, 1 / np.log2(ranks.ranks.astype(np.float64) + 1), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    ideal = best[np.minimum(ranks.counts, k)]
    return np.asarray(ranks.sums(gains) / np.maximum(ideal, 1e-12), dtype=np.float64)
