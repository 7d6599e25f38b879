"""A video stands at a place for some time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinoloop.data.histories import Histories
from kinoloop.models.top_k import best
from kinoloop.policy.head import Context
from kinoloop.policy.pins import Pin
from kinoloop.policy.policy import Best
from tests.policy.world import NOW, catalogue, falling, policy, slate

VIDEOS = catalogue(20)
AT = datetime.fromtimestamp(NOW / 1e6, UTC)
DAY = timedelta(days=1)


def pinned(*pins, scores=None, **given):
    return slate(VIDEOS, falling(20) if scores is None else scores, pins=[*pins], **given)


def pin(video, place=1, **more):
    return {"video_id": f"v{video:03d}", "place": place, **more}


def test_it_stands_at_its_place_and_the_others_keep_their_order():
    assert pinned(pin(15, 3)) == [0, 1, 15, 2, 3]
    assert pinned(pin(1, 4), pin(0, 2)) == [2, 0, 3, 1, 4]


def test_it_holds_from_its_start_to_its_end_on_its_surface():
    assert pinned(pin(9, starts=AT, ends=AT + DAY))[0] == 9
    assert pinned(pin(9, ends=AT))[0] == pinned(pin(9, starts=AT + DAY))[0] == 0
    assert pinned(pin(9, surface="home"), surface="home")[0] == 9
    assert pinned(pin(9, surface="home"), surface="feed")[0] == 0
    assert pinned(pin(9, surface="home"))[0] == 0


def test_of_two_at_one_place_and_of_two_of_one_video_the_first_counts():
    assert pinned(pin(9), pin(8)) == [9, 0, 1, 2, 3]
    assert pinned(pin(9, 2), pin(9, 4)) == [0, 9, 1, 2, 3]


def test_what_may_not_be_shown_or_is_not_there_is_not_shown_by_a_pin():
    scores = falling(20)
    scores[9] = -np.inf
    assert pinned(pin(9), scores=scores) == [0, 1, 2, 3, 4]
    assert pinned({"video_id": "gone"}) == [0, 1, 2, 3, 4]
    assert pinned(pin(9, 6)) == [0, 1, 2, 3, 4]


def test_a_pin_behind_the_last_video_comes_last():
    scores = falling(20)
    scores[3:19] = -np.inf
    assert pinned(pin(19, 5), scores=scores) == [0, 1, 2, 19]


@given(st.dictionaries(st.integers(1, 10), st.integers(0, 19), max_size=5), st.integers(0, 999))
def test_every_pin_is_at_its_place_whatever_the_scores_and_the_other_rules(places, seed):
    places = {place: video for place, video in places.items() if place - 1 < 10}
    pins = [pin(video, place) for place, video in places.items()]
    scores = np.random.default_rng(seed).permutation(falling(20))
    found = pinned(*pins, scores=scores, top_k=10, mmr={"weight": 1}, fresh={"places": 2})
    assert len(found) == 10
    first = {}
    for place, video in places.items():
        if video not in first.values():
            first[place] = video
    assert {place: found[place - 1] for place in first} == first


def test_a_pin_that_ends_before_it_starts_or_has_no_zone_is_refused():
    with pytest.raises(ValidationError, match="not before"):
        Pin(video_id="v1", starts=AT, ends=AT)
    with pytest.raises(ValidationError, match="timezone"):
        Pin(video_id="v1", starts=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_place_counts_from_the_first_page_and_holds_nothing_that_is_drawn():
    made, scores, row = policy(VIDEOS, pins=[pin(19, 13)]), falling(20), Histories.from_rows([[]])
    top = best(scores, 20)
    for before, drawn, place in ((0, False, 19), (10, False, 2), (11, False, 1), (10, True, 19)):
        context = Context(NOW, 10, row, before=before, drawn=drawn)
        found = made.arrange(Best(top, scores[top]), scores, context, whole=True)
        assert found.videos.tolist().index(19) == place
