"""Off-policy estimates: what another policy would have brought, from what was shown and came of it.

A place of an answer is the unit: policy 0 showed video v at place k with a known chance p and it
brought a reward r; the other policy shows v there with chance π, so that the place counts
w = π / p times. That r depends on v and k, and not on the videos of the other places, is assumed
(the item-position model); so the value of a slate is a sum over its places, and

    ips    Σ w r / answers: unbiased where policy 0 may show whatever the other shows
    snips  Σ over places of (Σ w r / Σ w at the place), by how often there is such a place:
           little bias for much less noise, and a statement about what is supported alone; a
           place that never showed what the other shows there counts 0, as in ips
    dr     Σ (q̂(other) + w (r − q̂(shown))) / answers: a model q̂ of the reward corrected by what it
           got wrong; unbiased like ips, with less noise the better the model is
    dm     Σ q̂(other) / answers: the model alone, to see how much of dr is its word

Trust needs support: w has the mean 1 if policy 0 may show all that the other shows. A mean of .7
says that three tenths of the other's places were never tried: ips lacks them, snips does as if they
were like the rest of the same place, and dr takes the model's word for them. Intervals are
percentiles of a bootstrap over users, whose answers depend on each other.

Source: Horvitz and Thompson, 1952 (ips); Swaminathan and Joachims, NeurIPS 2015 (snips); Dudík,
Langford and Li, ICML 2011 (dr); Li et al., KDD 2018, section 3 (item-position model); Kong, 1992
(effective sample size).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import DataError

ESTIMATORS = ("ips", "snips", "dr", "dm")
BLOCKS = 5000
"""More users than this are drawn in so many blocks, which bounds time and memory."""

CELLS = 4_000_000  # counts held at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """What was shown, place by place.

    Attributes:
        answers: (n,) int, which answer a place belongs to, from 0.
        users: (n_answers,) int, whose an answer is, from 0.
        places: (n,) int, place in the answer, from 0.
        rewards: (n,) what it brought.
        propensities: (n,) chance that the place showed this video, in (0, 1].
        targets: (n,) chance that the other policy shows this video there.
        predicted: (n,) q̂ of what was shown.
        expected: (n,) mean q̂ of what the other policy shows there.
    """

    answers: NDArray[np.integer]
    users: NDArray[np.integer]
    places: NDArray[np.integer]
    rewards: Floats
    propensities: Floats
    targets: Floats
    predicted: Floats
    expected: Floats


class Interval(NamedTuple):
    """A value with its interval.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Support:
    """Whether the estimates rest on anything.

    Attributes:
        answers: That were shown.
        matched: Places that the other policy might have shown, too.
        effective: Sample size that the weights are worth, (Σ w)² / Σ w².
        mean_weight: 1 where all that the other policy shows is supported.
        largest: Weight, before clipping.
        clipped: Share of the sum of the weights that clipping took away.
    """

    answers: int
    matched: int
    effective: float
    mean_weight: Interval
    largest: float
    clipped: float

    @property
    def whole(self) -> bool:
        """Whether the weights are as heavy as they are where everything is supported."""
        return self.mean_weight.low <= 1 <= self.mean_weight.high


@dataclass(frozen=True)
class Estimated:
    """What a policy would have brought per answer.

    Attributes:
        values: By estimator: `ips`, `snips`, `dr`, `dm`.
        logged: What was brought.
        gain: `dr` less `logged`, on the same users.
        support: Whether to believe it.
    """

    values: dict[str, Interval]
    logged: Interval
    gain: Interval
    support: Support


def estimate(
    shown: Places,
    *,
    clip: float | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> Estimated:
    """Estimate the value of the other policy.

    Args:
        shown: By policy 0.
        clip: Largest weight that counts; None: all count. It trades noise for bias.
        seed: Of the bootstrap.
        confidence: Of the intervals.
        resamples: Bootstrap draws.

    Raises:
        DataError: There is nothing, or a propensity is no chance above 0.

    Examples:
        >>> one = np.ones(4)
        >>> half = Places(*[np.arange(4)] * 2, np.zeros(4, int), np.array([1.0, 0, 1, 0]), one / 2,
        ...               np.array([1.0, 0, 1, 0]), 0 * one, 0 * one)
        >>> found = estimate(half, resamples=10)
        >>> found.values["ips"].value, found.values["snips"].value, found.support.effective
        (1.0, 1.0, 2.0)
    """
    p = shown.propensities
    if not len(p):
        raise DataError("off-policy estimates need at least one place that was shown, got none")
    if not ((p > 0) & (p <= 1)).all():
        at = int(np.flatnonzero(~((p > 0) & (p <= 1)))[0])
        raise DataError(
            f"place {at}: the propensity is {p[at]}, expected a chance above 0 and at most 1; "
            "leave out what was recorded without one"
        )
    raw = shown.targets / p
    weights = raw if clip is None else np.minimum(raw, clip)
    sums = _Sums.of(shown, weights)
    point = sums.values(np.ones((1, sums.n)))
    tail = (1 - confidence) / 2
    draws: dict[str, list[Floats]] = {name: [] for name in point}
    for counts in _draws(sums.n, resamples, np.random.default_rng(seed)):
        for name, value in sums.values(counts).items():
            draws[name].append(value)
    found = {
        name: Interval(float(value[0]), *_ends(np.concatenate(draws[name]), tail))
        for name, value in point.items()
    }
    squared = float((weights**2).sum())
    support = Support(
        answers=len(shown.users),
        matched=int((weights > 0).sum()),
        effective=float(weights.sum()) ** 2 / squared if squared else 0.0,
        mean_weight=found.pop("weight"),
        largest=float(raw.max()),
        clipped=float(1 - weights.sum() / raw.sum()) if raw.any() else 0.0,
    )
    gain, logged = found.pop("gain"), found.pop("logged")
    return Estimated(found, logged, gain, support)


def _ends(values: Floats, tail: float) -> tuple[float, float]:
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class _Sums:
    """All that the estimates need, summed by block of users, and by place where it matters.

    Attributes:
        answers: (n,) how many.
        weighted: (n, k) Σ w r.
        weights: (n, k) Σ w.
        counts: (n, k) places.
        plain: (n, 3) Σ r, Σ of the terms of dr, Σ of the terms of dm.
    """

    answers: Floats
    weighted: Floats
    weights: Floats
    counts: Floats
    plain: Floats

    @property
    def n(self) -> int:
        return len(self.answers)

    @classmethod
    def of(cls, shown: Places, weights: Floats) -> "_Sums":
        users = shown.users % BLOCKS
        blocks, deep = int(users.max()) + 1, int(shown.places.max()) + 1
        row = users[shown.answers]
        cell = row * deep + shown.places

        def by_place(values: Floats | None) -> Floats:
            return np.bincount(cell, values, blocks * deep).reshape(blocks, deep).astype(float)

        corrected = shown.expected + weights * (shown.rewards - shown.predicted)
        plain = (shown.rewards, corrected, shown.expected)
        return cls(
            np.bincount(users, minlength=blocks).astype(float),
            by_place(weights * shown.rewards),
            by_place(weights),
            by_place(None),
            np.stack([np.bincount(row, values, blocks) for values in plain], axis=1),
        )

    def values(self, times: Floats) -> dict[str, Floats]:
        """All values with each block as often as a row of `times`, (draws, n), says; (draws,)."""
        answers = np.maximum(times @ self.answers, 1)
        weighted, weights, counts = (
            times @ some for some in (self.weighted, self.weights, self.counts)
        )
        logged, corrected, expected = (times @ self.plain / answers[:, None]).T
        by_place = np.divide(weighted, weights, out=np.zeros_like(weighted), where=weights > 0)
        return {
            "ips": weighted.sum(axis=1) / answers,
            "snips": (by_place * counts).sum(axis=1) / answers,
            "dr": corrected,
            "dm": expected,
            "logged": logged,
            "gain": corrected - logged,
            "weight": weights.sum(axis=1) / np.maximum(counts.sum(axis=1), 1),
        }


def _draws(n: int, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each of n is drawn, in blocks of draws, (draws, n)."""
    at_a_time = max(1, CELLS // n)
    for start in range(0, resamples, at_a_time):
        size = min(at_a_time, resamples - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size=size).astype(float)
