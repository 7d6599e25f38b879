"""Could this difference be chance? A permutation test over blocks of dependent events.

Ten events of one user in one week are not ten observations: a p-value that counts events cries
wolf. The unit here is a *block*: all that one user did in one period. All periods have the same
length (the reference is cut into pieces as long as the current window), so under "nothing has
changed" the blocks are exchangeable and shuffling their labels gives the null distribution of any
statistic, at any n, without a formula.

Sampling noise is not the only reason why two weeks differ: a new series starts, a holiday comes.
So each reference period is also held against the other reference periods: the largest of these is
the *ordinary* change, which the current window has to exceed.

Source: Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005), ch. 3; cluster
randomisation as in Cameron, Gelbach & Miller (2008).
Not covered: users who come back every period make the test conservative, since the shuffling
ignores that one user's blocks are alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.drift.statistics import Statistic, Sums

CHUNK_CELLS = 4_000_000  # labels held at once: 16 MB


@dataclass(frozen=True)
class Blocks:
    """Sums over blocks.

    Attributes:
        sums: (n_blocks, k) float64: counts by level or bin, or a sum of vectors.
        periods: (n_blocks,) int64, 0 is the oldest; the highest number is the current window.
        current: Number of the current period.
    """

    sums: Sums
    periods: NDArray[np.int64]
    current: int

    @property
    def is_current(self) -> NDArray[np.bool_]:
        """(n_blocks,) whether the block lies in the current window."""
        now: NDArray[np.bool_] = self.periods == self.current
        return now

    def totals(self) -> tuple[Sums, Sums]:
        """Sum over the reference and over the current window, (1, k) each."""
        now = self.is_current
        return (
            self.sums[~now].sum(axis=0, keepdims=True),
            self.sums[now].sum(axis=0, keepdims=True),
        )


@dataclass(frozen=True)
class Evidence:
    """How large, how surprising, how unusual.

    Attributes:
        statistic: The effect size that was seen.
        p_value: Share of shuffles that reach it (never 0: (1 + hits) / (1 + shuffles)).
        chance: 95th percentile of the shuffles: what chance alone reaches at this n.
        ordinary: Largest change among the reference periods; NaN with fewer than two.
    """

    statistic: float
    p_value: float
    chance: float
    ordinary: float


def weigh(blocks: Blocks, statistic: Statistic, *, permutations: int, seed: int) -> Evidence:
    """Measure a statistic and hold it against its permutation null and the ordinary change.

    Args:
        blocks: What is compared; both windows have at least one block.
        statistic: Vectorised over rows.
        permutations: Shuffles; the smallest possible p-value is 1 / (permutations + 1).
        seed: Of the shuffles.
    """
    seen = float(statistic(*blocks.totals())[0])
    null = _shuffled(blocks, statistic, permutations, np.random.default_rng(seed))
    return Evidence(
        statistic=seen,
        p_value=p_value(seen, null),
        chance=float(np.quantile(null, 0.95)),
        ordinary=_ordinary(blocks, statistic),
    )


def p_value(seen: float, null: NDArray[np.float64]) -> float:
    """Share of the null that reaches `seen`, counting `seen` itself; float noise counts as equal.

    Source: Phipson & Smyth, Permutation p-values should never be zero (2010).

    Examples:
        >>> p_value(3.0, np.array([1.0, 2.0, 4.0]))
        0.5
    """
    return float(1 + np.sum(null >= seen - 1e-12)) / (1 + len(null))


def _shuffled(
    blocks: Blocks, statistic: Statistic, permutations: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    n = len(blocks.periods)
    labels = blocks.is_current.astype(np.float32)
    sums = blocks.sums.astype(np.float32)
    total = blocks.sums.sum(axis=0, keepdims=True)
    chunk = max(1, CHUNK_CELLS // n)
    found = []
    for start in range(0, permutations, chunk):
        rows = min(chunk, permutations - start)
        shuffled = rng.permuted(np.broadcast_to(labels, (rows, n)), axis=1)
        current = (shuffled @ sums).astype(np.float64)
        found.append(statistic(total - current, current))
    return np.concatenate(found)


def _ordinary(blocks: Blocks, statistic: Statistic) -> float:
    """Largest statistic of one reference period against the other reference periods."""
    past = blocks.periods[~blocks.is_current]
    numbers = np.unique(past)
    if len(numbers) < 2:
        return float("nan")
    sums = blocks.sums[~blocks.is_current]
    one = np.stack([sums[past == number].sum(axis=0) for number in numbers])
    return float(np.max(statistic(one.sum(axis=0, keepdims=True) - one, one)))
