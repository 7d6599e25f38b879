"""AUC: the chance that what was liked stands above what was not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinoloop.errors import DataError
from kinoloop.evaluation.ranks import Ranks


def rank_auc(ranks: Ranks, candidates: NDArray[np.integer]) -> NDArray[np.float64]:
    """Share of (target, other video) pairs in the right order in a full ranking, by row, (n_rows,).

    A tie counts against the target, as in the ranks; a row without a target, or in which all that
    was ranked is a target, has 0.5.

    Args:
        ranks: Of the targets.
        candidates: (n_rows,) videos that were ranked, targets included.

    Examples:
        >>> from kinoloop.evaluation.ranks import Ranks
        >>> two_rows = Ranks(np.array([0, 2, 3]), np.array([1, 4, 2]))
        >>> rank_auc(two_rows, candidates=np.array([6, 6]))
        array([0.75, 0.8 ])
    """
    others = np.maximum(candidates - ranks.counts, 0)
    rows = np.repeat(np.arange(len(ranks)), ranks.counts)
    order = np.lexsort((ranks.ranks, rows))
    targets_above = np.empty(len(order), dtype=np.int64)
    targets_above[order] = np.arange(len(order)) - ranks.offsets[:-1][rows[order]]
    others_above = np.minimum(ranks.ranks - 1 - targets_above, others[rows]).astype(np.float64)
    pairs = ranks.counts * others
    wrong = ranks.sums(others_above)
    return np.asarray(np.where(pairs > 0, 1 - wrong / np.maximum(pairs, 1), 0.5))


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of labelled scores; a tie counts half.

    Args:
        labels: (n,) bool or 0 and 1.
        scores: (n,) higher is more likely 1.

    Raises:
        DataError: Only one of the two labels is there.

    Source: Hanley and McNeil, Radiology 143(1), 1982 (equality with the Mann-Whitney statistic).

    Examples:
        >>> roc_auc([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
        0.75
    """
    liked = np.asarray(labels).astype(bool)
    ones, zeros = int(liked.sum()), int((~liked).sum())
    if not ones or not zeros:
        raise DataError(
            f"AUC needs both labels, got {ones} positive and {zeros} negative; take a longer window"
        )
    from scipy.stats import rankdata  # takes long to load, and each flow loads this module

    ranked = rankdata(np.asarray(scores, dtype=np.float64))
    return float((ranked[liked].sum() - ones * (ones + 1) / 2) / (ones * zeros))
