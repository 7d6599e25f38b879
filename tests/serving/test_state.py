import multiprocessing

import pytest

from kinoloop.environment import Environment
from kinoloop.testing.service import KEY
from serving.live_event import LiveEvent, Parcel
from serving.state import open_state


def event(number: int, user: str = "p1", **changes) -> LiveEvent:
    given = {"event_id": f"e{number}", "user": user, "video_id": f"v{number}", "event": "view",
             "watch_s": None, "value": None, "timestamp": number}  # fmt: skip
    return LiveEvent(**{**given, **changes})


def of(*user_ids: str) -> list[Parcel]:
    return [Parcel(user_id) for user_id in user_ids]


def all_of(state, user: str) -> list[LiveEvent]:
    found = state.events_of(user, at_most=100)
    return sorted(found, key=lambda event: event.timestamp)


def test_events_are_only_those_of_the_user(state):
    state.record([event(2), event(1), event(3, user="p2")], of("u1", "u1", "u2"))
    assert [e.timestamp for e in all_of(state, "p1")] == [1, 2]
    assert all_of(state, "p2") == [event(3, user="p2")]
    assert state.events_with("p1", ["v2", "v3"]) == [event(2)]
    assert all_of(state, "nobody") == []


def test_all_events_come_or_none_so_that_nobody_takes_a_part_for_the_whole(state):
    state.record([event(n) for n in range(9)], of(*["u1"] * 9))
    assert len(state.events_of("p1", at_most=9)) == 9
    assert state.events_of("p1", at_most=8) is None


def test_videos_of_a_user_are_all_that_were_met_each_once_since_the_first_time(state):
    events = [event(n) for n in range(900)]
    events += [event(1000 + n, video_id=f"v{n}", event="like") for n in range(3)]
    state.record(events, of(*["u1"] * len(events)))
    assert state.videos_of("p1") == {f"v{n}": n for n in range(900)}


def test_impressions_and_searches_are_kept_and_are_no_history(state):
    shown = [event(n, event=kind) for n, kind in enumerate(["impression", "search"])]
    state.record([*shown, event(5)], of("u1", "u1", "u1"))
    assert state.videos_of("p1") == {"v5": 5}
    assert all_of(state, "p1") == [event(5)]
    assert state.pending() == 3


def test_the_same_event_twice_is_one_event(state):
    assert state.record([event(1), event(1)], of("u", "u")) == 1
    assert state.record([event(1)], of("u")) == 0
    assert len(all_of(state, "p1")) == 1
    assert state.pending() == 1


def test_a_failed_write_leaves_nothing(state):
    with pytest.raises(ValueError, match="shorter"):
        state.record([event(1), event(2)], of("u"))
    assert all_of(state, "p1") == []
    state.record([event(3)], of("u"))  # and the next one works
    assert len(all_of(state, "p1")) == 1


def test_old_events_are_forgotten_once_they_have_left_the_outbox(state):
    state.record([event(1), event(100)], of("u", "u"))
    assert state.forget_before(50) == 0
    state.finish(state.claim(9))
    assert state.forget_before(50) == 1
    assert [e.timestamp for e in all_of(state, "p1")] == [100]


def test_a_user_can_be_erased(state):
    state.record([event(1), event(2, user="p2")], of("u1", "u2"))
    assert state.forget_user("p1") == 1
    assert all_of(state, "p1") == []
    (row,) = state.batch(state.claim(9))
    assert row["user_id"] == "u2"


def _open_and_record(url, folder, number):
    state = open_state(Environment(state_url=url, state_dir=folder, pseudonym_key=KEY))
    for index in range(20):
        state.record([event(number * 100 + index)], of("u"))


def test_workers_that_start_together_share_one_store(state_url, new_state, tmp_path):
    context = multiprocessing.get_context("spawn")
    given = [(state_url, tmp_path, number) for number in range(4)]
    workers = [context.Process(target=_open_and_record, args=args) for args in given]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(all_of(new_state(), "p1")) == 80


def test_what_was_shown_long_ago_is_forgotten_and_nothing_else(state, monkeypatch):
    monkeypatch.setattr("serving.shown.FORGOTTEN_AT_ONCE", 2)
    users = ["p1", "p2", "p3"]
    old = [(user, f"v{n}", 10) for user in users for n in range(3)]
    state.remember_shown([*old, ("p2", "v1", 30), ("p4", "v9", 20)], within_s=1.0)
    state.forget_shown(20)
    left = {user: state.shown_often(user, times=1, since=0) for user in [*users, "p4"]}
    assert left == {"p1": [], "p2": ["v1"], "p3": [], "p4": ["v9"]}


def test_what_the_ids_of_a_person_were_shown_counts_together(state):
    login = event(1, user="device", event="identify", video_id="")
    state.record([login], [Parcel("u", person_id="anna")], persons={"anna": "person"})
    places = [("device", "v1", 10), ("person", "v1", 20), ("somebody", "v1", 30)]
    state.remember_shown(places, within_s=1.0)
    for user in ("device", "person"):
        assert state.shown_often(user, times=2, since=20) == ["v1"]
    assert state.shown_often("somebody", times=2, since=0) == []
