"""A slate is about what its user watches, in the same shares (Steck, 2018)."""

import numpy as np

from kinoloop.policy.calibration import divergence
from tests.policy.world import catalogue, falling, slate

EVEN, ODD = range(0, 40, 2), range(1, 40, 2)  # of two categories
VIDEOS = catalogue(40)
SCORES = falling(40, best_of=EVEN)


def shares(weight, history, **more):
    found = slate(VIDEOS, SCORES, top_k=10, history=history, calibration={"weight": weight, **more})
    return sum(video % 2 for video in found), found


def test_a_heavy_weight_gives_each_label_its_share_and_keeps_the_order_within():
    seven_three = [(20 + 2 * n, 1.0) for n in range(7)] + [(21 + 2 * n, 1.0) for n in range(3)]
    assert shares(0.0, seven_three)[0] == 0
    odd, found = shares(50.0, seven_three)
    assert odd == 3
    for half in (0, 1):
        part = [video for video in found if video % 2 == half]
        assert part == sorted(part)
    by_weight = [shares(weight, seven_three)[0] for weight in (0.0, 1.0, 5.0, 50.0)]
    assert by_weight == sorted(by_weight)
    assert by_weight[-1] == 3


def test_interest_weighs_and_dislike_counts_for_nothing():
    assert shares(50.0, [(20, 9.0), (21, 1.0)])[0] == 1
    assert shares(50.0, [(20, 1.0), (21, -5.0)])[0] == 0


def test_without_a_history_or_a_column_nothing_is_moved():
    plain = shares(0.0, [])
    assert shares(50.0, []) == plain
    assert shares(50.0, [(20, 1.0), (21, 1.0)], column="nothing") == plain


def test_the_divergence_is_that_of_the_paper():
    wanted, shown = np.array([0.5, 0.3, 0.2]), np.array([[0.5, 0.3, 0.2], [1, 0, 0], [0, 0, 0]])
    mixed = 0.99 * shown + 0.01 * wanted
    by_hand = [sum(p * np.log(p / q) for p, q in zip(wanted, row, strict=True)) for row in mixed]
    np.testing.assert_allclose(divergence(wanted, shown), by_hand)
