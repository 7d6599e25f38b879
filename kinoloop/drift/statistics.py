"""Distances between two distributions, each for many pairs at once.

Rows are pairs, columns are levels or bins: `reference` and `current` are (m, k) sums over blocks
(counts, or sums of vectors), so that one call answers for a thousand permutations. All are effect
sizes that do not grow with the number of events; whether a size could be chance is asked
elsewhere (`blocks.weigh`).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]
Sizes = NDArray[np.float64]
Statistic = Callable[[Sums, Sums], Sizes]

PSEUDO_COUNT = 0.5  # Jeffreys: an unseen level costs something finite


def psi(reference: Sums, current: Sums) -> Sizes:
    """Compute the population stability index, Σ (c − r) ln(c / r) over smoothed shares; (m,) ≥ 0.

    Rule of thumb: < 0.1 stable, 0.1–0.25 some change, > 0.25 a different population.

    Source: Siddiqi, Credit Risk Scorecards (2006), ch. 9; the symmetric form of Kullback–Leibler.

    Examples:
        >>> float(psi(np.array([[50.0, 50.0]]), np.array([[50.0, 50.0]]))[0])
        0.0
        >>> round(float(psi(np.array([[500.0, 500.0]]), np.array([[800.0, 200.0]]))[0]), 2)
        0.41
    """
    r, c = _smoothed(reference), _smoothed(current)
    sizes: Sizes = np.sum((c - r) * np.log(c / r), axis=-1)
    return sizes


def jensen_shannon(reference: Sums, current: Sums) -> Sizes:
    """Jensen–Shannon distance with base 2 logarithms, (m,) in [0, 1]; a metric.

    Source: Endres & Schindelin, A new metric for probability distributions (2003).

    Examples:
        >>> round(float(jensen_shannon(np.array([[10.0, 0.0]]), np.array([[0.0, 10.0]]))[0]), 1)
        1.0
    """
    r, c = _shares(reference), _shares(current)
    middle = (r + c) / 2
    divergence = (_entropy(middle) - (_entropy(r) + _entropy(c)) / 2) / np.log(2)
    sizes: Sizes = np.sqrt(np.clip(divergence, 0, 1))
    return sizes


def kolmogorov_smirnov(reference: Sums, current: Sums) -> Sizes:
    """Largest gap between two cumulated shares over ordered bins, (m,) in [0, 1].

    Source: Smirnov (1939); on bins it is a lower bound that is tight with enough of them.

    Examples:
        >>> float(kolmogorov_smirnov(np.array([[1.0, 1.0]]), np.array([[0.0, 2.0]]))[0])
        0.5
    """
    gap = np.cumsum(_shares(reference), axis=-1) - np.cumsum(_shares(current), axis=-1)
    sizes: Sizes = np.max(np.abs(gap), axis=-1)
    return sizes


def largest_rate_change(reference: Sums, current: Sums) -> Sizes:
    """Largest |difference| of rates, (m,) in [0, 1]; the last column counts the rows.

    Examples:
        >>> float(largest_rate_change(np.array([[1.0, 10.0]]), np.array([[4.0, 10.0]]))[0])
        0.3
    """
    r = reference[..., :-1] / np.maximum(reference[..., -1:], 1)
    c = current[..., :-1] / np.maximum(current[..., -1:], 1)
    sizes: Sizes = np.round(np.max(np.abs(c - r), axis=-1), 12)
    return sizes


def mean_distance(reference: Sums, current: Sums) -> Sizes:
    """Euclidean distance between two mean vectors, (m,) ≥ 0; the last column counts the rows.

    With vectors scaled by the root of their total variance it is Cohen's d in many dimensions
    (0.2 small, 0.5 medium), and its square the first term of the Fréchet distance.

    Source: Cohen, Statistical Power Analysis (1988); Heusel et al., GANs trained by a two
    time-scale update rule (2017).

    Examples:
        >>> float(mean_distance(np.array([[3.0, 0.0, 1.0]]), np.array([[0.0, 8.0, 2.0]]))[0])
        5.0
    """
    r = reference[..., :-1] / np.maximum(reference[..., -1:], 1)
    c = current[..., :-1] / np.maximum(current[..., -1:], 1)
    sizes: Sizes = np.linalg.norm(c - r, axis=-1)
    return sizes


def _smoothed(counts: Sums) -> Sums:
    return _shares(counts + PSEUDO_COUNT)


def _shares(counts: Sums) -> Sums:
    shares: Sums = counts / np.maximum(np.sum(counts, axis=-1, keepdims=True), 1e-12)
    return shares


def _entropy(shares: Sums) -> Sizes:
    sizes: Sizes = -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=-1)
    return sizes
