import numpy as np
import pytest

from kinoloop.errors import DataError
from kinoloop.evaluation.compare import paired


def test_interval_holds_the_mean_and_is_that_of_normal_theory():
    rng = np.random.default_rng(1)
    b = rng.uniform(size=4000)
    a = b + rng.normal(0.02, 0.1, size=4000)
    found = paired(a, b, seed=0)
    error = 1.96 * (a - b).std() / np.sqrt(4000)
    assert found.n == 4000
    assert found.low < found.mean < found.high
    assert found.low == pytest.approx(found.mean - error, abs=3e-4)
    assert found.high == pytest.approx(found.mean + error, abs=3e-4)


def test_equal_recommenders_differ_by_exactly_nothing():
    found = paired([0.0, 1.0, 0.3], [0.0, 1.0, 0.3], seed=0)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval():
    a, b = np.arange(50) / 50, np.arange(50)[::-1] / 50
    assert paired(a, b, seed=4) == paired(a, b, seed=4)
    assert paired(a, b, seed=4) != paired(a, b, seed=5)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        hits_a, hits_b = rng.random(300) < 0.30, rng.random(300) < 0.25
        found = paired(hits_a.astype(float), hits_b.astype(float), seed=trial, resamples=500)
        covered += found.low <= 0.05 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_refuses_rows_that_are_not_paired():
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(3,\)"):
        paired([1, 2], [1, 2, 3], seed=0)
    with pytest.raises(DataError, match="at least one row"):
        paired([], [], seed=0)
