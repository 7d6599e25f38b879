import doctest

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from kinoloop.drift import blocks, statistics
from kinoloop.drift.statistics import (
    jensen_shannon,
    kolmogorov_smirnov,
    largest_rate_change,
    mean_distance,
    psi,
)


@pytest.mark.parametrize("module", [statistics, blocks])
def test_examples_are_true(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("statistic", [psi, jensen_shannon, kolmogorov_smirnov, mean_distance])
def test_distance_of_a_distribution_to_itself_is_zero(statistic):
    counts = np.array([[3.0, 5.0, 1.0]])
    assert statistic(counts, counts)[0] == pytest.approx(0, abs=1e-7)


def test_psi_of_a_vanished_level_is_finite():
    assert np.isfinite(psi(np.array([[10.0, 10.0]]), np.array([[20.0, 0.0]]))[0])


def test_jensen_shannon_agrees_with_scipy():
    rng = np.random.default_rng(0)
    r, c = rng.integers(0, 50, (2, 8)).astype(float)
    assert jensen_shannon(r[None], c[None])[0] == pytest.approx(jensenshannon(r, c, base=2))


def test_kolmogorov_smirnov_agrees_with_scipy_on_integers():
    rng = np.random.default_rng(0)
    r, c = rng.integers(0, 20, 300), rng.integers(3, 20, 200)
    binned = [np.bincount(x, minlength=20)[None].astype(float) for x in (r, c)]
    assert kolmogorov_smirnov(*binned)[0] == pytest.approx(ks_2samp(r, c).statistic)


def test_rows_are_independent_pairs():
    r = np.array([[1.0, 9.0, 10.0], [5.0, 5.0, 10.0]])
    both = largest_rate_change(r, r[::-1])
    assert both == pytest.approx([largest_rate_change(r[:1], r[1:])[0]] * 2)
