"""Caps on how often something is shown, to one person and to everybody."""

import time

from kinoloop.data.ids import IdMap
from kinoloop.policy.config import PolicyConfig
from serving import caps
from serving.caps import Caps
from serving.shown import ALL
from tests.serving.stored import rows
from tests.serving.test_impressions import answer

IDS = IdMap(f"v{n:03d}" for n in range(10))
DAY_S = 86_400
NOW_HOUR = int(time.time() // 3600)


def shown(*videos, who="p", ago_s=0.0):
    at = round((time.time() - ago_s) * 1e6)
    return answer(0)._replace(pseudonym=who, timestamp=at, videos=[f"v{n:03d}" for n in videos])


def reached(counted, who="p"):
    found = counted.reached(who, IDS, people=counted._state.about(who))
    return {rule: sorted(videos.tolist()) for rule, videos in found.items()}


def test_a_person_is_shown_a_video_so_often_and_no_more(state):
    counted = Caps(state, PolicyConfig(frequency={"times": 2}))
    counted.count([shown(1, 2), shown(2, 3, who="q")])
    assert reached(counted) == reached(counted, "q") == {"frequency_cap": []}
    counted.count([shown(2), shown(9, who=None)])
    assert reached(counted) == {"frequency_cap": [2]}
    assert reached(counted, "q") == {"frequency_cap": []}


def test_everybody_together_is_shown_a_video_so_often(state, monkeypatch):
    monkeypatch.setattr(caps, "LOOK_S", 0.0)
    counted = Caps(state, PolicyConfig(exposure={"times": 3}))
    counted.count([shown(1, 2), shown(2, who="q"), shown(2, 4, who=None)])
    assert reached(counted) == reached(counted, "r") == {"exposure_cap": [2]}
    counted.count([shown(1)] * 2)
    assert reached(counted) == {"exposure_cap": [1, 2]}


def test_the_window_moves_on_and_old_counts_are_deleted(state):
    policy = PolicyConfig(frequency={"times": 1, "days": 1}, exposure={"times": 1, "days": 3})
    Caps(state, policy).count([shown(1, ago_s=4 * DAY_S), shown(2, ago_s=2 * DAY_S), shown(3)])
    counted = Caps(state, policy)
    assert reached(counted) == {"frequency_cap": [3], "exposure_cap": [2, 3]}
    counted.count([shown(3)])
    assert state.reached("p", times=1, since_hour=0) == ["v003"]
    assert sorted(state.reached(ALL, times=1, since_hour=NOW_HOUR - 24 * 9)) == ["v002", "v003"]
    assert rows(state, "shown_hourly") == 3


def test_who_is_forgotten_leaves_no_count_and_off_counts_nothing(state):
    Caps(state, PolicyConfig(frequency={"times": 1})).count([shown(1)])
    state.forget_user("p")
    assert not rows(state, "shown_hourly")
    off = Caps(state, PolicyConfig())
    off.count([shown(1)])
    assert reached(off) == {}
    assert not rows(state, "shown_hourly")
