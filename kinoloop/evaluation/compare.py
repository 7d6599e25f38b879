"""Is one recommender better than another, or only luckier? A paired bootstrap over users.

The same users are drawn for both, so that what users differ in cancels out; an interval that
stays above zero is what promotion asks for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinoloop.errors import DataError

DRAWN_AT_A_TIME = 4_000_000  # indices held at once, 32 MB


@dataclass(frozen=True)
class Difference:
    """Mean of a − b over paired users, with its interval.

    Attributes:
        mean: Of the differences.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Paired users.
    """

    mean: float
    low: float
    high: float
    n: int


def paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Difference:
    """Bootstrap the mean difference of two metrics that were measured on the same rows.

    Args:
        a: (n,) metric per row, such as `evaluation.per_user["ndcg@10"]`.
        b: (n,) the same rows in the same order.
        seed: Of the resampling.
        confidence: Of the interval.
        resamples: Bootstrap draws.

    Raises:
        DataError: The two are not paired, or empty.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile).

    Examples:
        >>> paired([0.5, 0.7, 0.6], [0.4, 0.6, 0.5], seed=0).mean.__round__(6)
        0.1
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise DataError(
            f"paired comparison needs the same rows on both sides, "
            f"got shapes {first.shape} and {second.shape}; evaluate both on one holdout"
        )
    if not len(first):
        raise DataError("paired comparison needs at least one row, got none")
    means = _bootstrap(first - second, np.random.default_rng(seed), resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Difference(float((first - second).mean()), float(low), float(high), len(first))


def _bootstrap(
    differences: NDArray[np.float64], rng: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """Means of `resamples` draws with replacement, by counting equal differences together.

    Per-user metrics take few distinct values (most differences are 0), so a draw is one multinomial
    sample over the distinct values and costs nothing a user.
    """
    values, counts = np.unique(differences, return_counts=True)
    n, shares = len(differences), counts / len(differences)
    per_block = max(1, DRAWN_AT_A_TIME // len(values))
    blocks = []
    for start in range(0, resamples, per_block):
        draws = rng.multinomial(n, shares, size=min(per_block, resamples - start))
        blocks.append(draws @ values / n)
    return np.concatenate(blocks)
