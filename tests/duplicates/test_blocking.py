import time

import numpy as np

from kinoloop.duplicates.blocking import candidate_pairs
from kinoloop.duplicates.groups import group
from tests.duplicates.test_match import film, noise


def test_recoded_pictures_meet_and_strangers_do_not():
    hashes = np.concatenate([film(1, 12), noise(film(1, 12), 6), film(2, 12)])
    owners = np.repeat([0, 1, 2], 12)
    assert candidate_pairs(hashes, owners, max_bits=12).tolist() == [[0, 1]]


def test_hashes_up_to_four_bits_apart_always_meet():
    one = film(3, 200)
    for flips in (0, 2, 4):
        hashes = np.concatenate([one, noise(one, flips)])
        pairs = candidate_pairs(hashes, np.arange(400), max_bits=12)
        assert len(pairs) == 200


def test_only_pairs_with_a_fresh_video_are_given():
    hashes = np.concatenate([film(1, 4)] * 3)
    owners = np.repeat([0, 1, 2], 4)
    fresh = np.array([False, False, True])
    assert candidate_pairs(hashes, owners, max_bits=12, fresh=fresh).tolist() == [[0, 2], [1, 2]]


def test_a_picture_that_everybody_has_chains_and_costs_little():
    hashes = np.repeat(film(1, 1), 3000)
    started = time.process_time()
    pairs = candidate_pairs(hashes, np.arange(3000), max_bits=12)
    assert len(pairs) < 3000 * 13
    assert time.process_time() - started < 5
    named = [(f"{a:04d}", f"{b:04d}") for a, b in pairs.tolist()]
    assert set(group(named).values()) == {"0000"}


def test_nothing_gives_no_pairs():
    empty = np.zeros(0, dtype=np.int64)
    assert candidate_pairs(empty, empty, max_bits=12).shape == (0, 2)


def test_groups_join_what_is_joined_by_a_third():
    assert group([("b", "a"), ("c", "b"), ("x", "y")]) == {
        "a": "a", "b": "a", "c": "a", "x": "x", "y": "x"
    }  # fmt: skip
