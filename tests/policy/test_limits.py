"""At most so many of one creator, series or other value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinoloop.policy.limits import Limit
from tests.policy.world import catalogue, falling, slate

ONE = [{"column": "creator_id", "most": 1}]


def test_the_best_of_each_creator_stay_in_their_order():
    videos = catalogue(10, creators="aaabbbccdd")
    assert slate(videos, falling(10), top_k=4, limits=ONE) == [0, 3, 6, 8]
    two = [{"column": "creator_id", "most": 2}]
    assert slate(videos, falling(10), top_k=4, limits=two) == [0, 1, 3, 4]


def test_what_exceeds_a_limit_comes_last_and_only_where_nothing_else_is_left():
    videos = catalogue(8, creators="aaaaaabb")
    assert slate(videos, falling(8), top_k=5, limits=ONE) == [0, 6, 1, 2, 3]


def test_candidates_are_looked_for_further_down_before_a_limit_gives_way():
    n = 2000
    videos = catalogue(n, creators=["a"] * (n - 2) + ["b", "c"])
    assert slate(videos, falling(n), top_k=3, candidates=10, limits=ONE) == [0, n - 2, n - 1]


def test_videos_without_a_value_are_not_limited_and_all_limits_hold_at_once():
    videos = catalogue(8, creators=["a", "a", None, None, None, "b", "c", "d"])
    assert slate(videos, falling(8), top_k=5, limits=ONE) == [0, 2, 3, 4, 5]
    extra = [{"series": 1}, {"series": 1}, {"series": 2}, {"series": 2}, None, None, {"series": 1}]
    videos = catalogue(8, creators="abcdefgh", extra=[*extra, {"series": 3}])
    limits = [*ONE, {"column": "series", "most": 1}, {"column": "nothing", "most": 1}]
    assert slate(videos, falling(8), top_k=5, limits=limits) == [0, 2, 4, 5, 7]


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=60),
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(0, 2**16),
)
def test_a_limit_is_kept_while_there_are_others_and_no_slate_is_shorter(creators, most, k, seed):
    videos = catalogue(len(creators), creators=creators)
    scores = np.random.default_rng(seed).permutation(falling(len(creators)))
    limits = [{"column": "creator_id", "most": most}]
    found = slate(videos, scores, top_k=k, candidates=8, limits=limits)
    assert len(found) == min(k, len(creators))
    there = sum(min(most, creators.count(one)) for one in set(creators))
    kept = [creators[video] for video in found[:there]]
    assert max(kept.count(one) for one in kept) <= most
    assert scores[found[:there]].tolist() == sorted(scores[found[:there]].tolist(), reverse=True)


def test_a_limit_of_nothing_is_none():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Limit(column="creator_id", most=0)
