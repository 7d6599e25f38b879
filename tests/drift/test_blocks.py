import numpy as np

from kinoloop.drift.blocks import Blocks, weigh
from kinoloop.drift.statistics import psi


def _blocks(shares, *, per_period=40, events=20, seed=0):
    """One row of `per_period` blocks per period, with the given share of level 0."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([rng.binomial(events, share, per_period) for share in shares])
    sums = np.column_stack([first, events - first]).astype(float)
    periods = np.repeat(np.arange(len(shares)), per_period)
    return Blocks(sums, periods, current=len(shares) - 1)


def test_same_shares_are_no_surprise():
    evidence = weigh(_blocks([0.5] * 5), psi, permutations=199, seed=0)
    assert evidence.p_value > 0.05
    assert evidence.statistic < 0.01


def test_other_shares_are_a_surprise_and_extraordinary():
    evidence = weigh(_blocks([0.5, 0.5, 0.5, 0.5, 0.8]), psi, permutations=199, seed=0)
    assert evidence.p_value == 1 / 200
    assert evidence.statistic > 10 * max(evidence.ordinary, evidence.chance)


def test_a_change_that_happened_before_is_ordinary():
    evidence = weigh(_blocks([0.5, 0.9, 0.5, 0.5, 0.75]), psi, permutations=199, seed=0)
    assert evidence.ordinary > evidence.statistic


def test_dependent_events_of_one_user_do_not_count_as_many():
    rng = np.random.default_rng(1)
    fixed = rng.integers(0, 2, 60) * 100.0  # each user sticks to one level, a hundred times
    blocks = Blocks(np.column_stack([fixed, 100 - fixed]), np.repeat([0, 1], 30), current=1)
    evidence = weigh(blocks, psi, permutations=499, seed=0)
    assert evidence.chance > 0.05  # a test on 6000 independent events would expect 0.0007


def test_one_reference_period_has_no_ordinary_change():
    assert np.isnan(weigh(_blocks([0.5, 0.5]), psi, permutations=99, seed=0).ordinary)


def test_same_seed_gives_the_same_evidence():
    one, two = (weigh(_blocks([0.5, 0.6, 0.5]), psi, permutations=99, seed=3) for _ in "ab")
    assert one == two
