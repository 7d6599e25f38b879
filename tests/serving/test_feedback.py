import asyncio
import sqlite3
import time

import pytest

from serving.feedback import FeedbackWriter, check_events
from serving.state import LiveState

GOOD = {"user_id": "u", "video_id": "v1", "event": "view"}


def check(*events, **changes):
    given = {"pseudonym": lambda user: f"p-{user}", "known_video": lambda v: v != "gone",
             "clock_skew_s": 60.0}  # fmt: skip
    return check_events(events, **{**given, **changes})


def test_a_good_event_keeps_the_pseudonym_and_hands_back_the_raw_id():
    events, user_ids, rejections = check({**GOOD, "watch_s": 3, "timestamp": 1_790_000_000})
    assert rejections == []
    assert user_ids == ["u"]
    event = events[0]
    assert (event.user, event.video_id, event.event, event.watch_s) == ("p-u", "v1", "view", 3.0)
    assert event.timestamp == 1_790_000_000_000_000
    assert len(event.event_id) == 32


def test_the_id_of_an_event_depends_on_all_of_it_and_on_nothing_else():
    at = {"timestamp": "2026-11-01T00:00:00Z"}
    first, again, other = check({**GOOD, **at}, {**at, **GOOD}, {**GOOD, **at, "event": "like"})[0]
    assert first.event_id == again.event_id != other.event_id


@pytest.mark.parametrize(
    "timestamp",
    ["2026-11-01T12:00:00Z", "2026-11-01T13:00:00+01:00", "2026-11-01T12:00:00", 1793534400.0],
)
def test_timestamps_are_utc_whatever_their_form(timestamp):
    assert check({**GOOD, "timestamp": timestamp})[0][0].timestamp == 1_793_534_400_000_000


def test_an_event_without_a_time_happened_now():
    assert abs(check(GOOD)[0][0].timestamp / 1e6 - time.time()) < 5


def test_a_clock_may_run_ahead_a_little():
    ahead = {**GOOD, "timestamp": time.time() + 30}
    assert len(check(ahead)[0]) == 1
    assert check(ahead, clock_skew_s=5.0)[2][0].reason == "in_the_future"


@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        ("text", "event", "not_an_object"),
        ({**GOOD, "user_id": None}, "user_id", "missing"),
        ({**GOOD, "user_id": ""}, "user_id", "missing"),
        ({**GOOD, "user_id": 5}, "user_id", "not_a_string"),
        ({**GOOD, "user_id": "u" * 2049}, "user_id", "too_long"),
        ({**GOOD, "video_id": None}, "video_id", "missing"),
        ({**GOOD, "video_id": "gone"}, "video_id", "unknown_video"),
        ({**GOOD, "event": "clap"}, "event", "unknown_event"),
        ({**GOOD, "event": ["view"]}, "event", "unknown_event"),
        ({**GOOD, "watch_s": -0.5}, "watch_s", "negative"),
        ({**GOOD, "watch_s": "long"}, "watch_s", "not_a_number"),
        ({**GOOD, "watch_s": True}, "watch_s", "not_a_number"),
        ({**GOOD, "watch_s": float("nan")}, "watch_s", "out_of_range"),
        ({**GOOD, "watch_s": 1e300}, "watch_s", "out_of_range"),
        ({**GOOD, "event": "rating"}, "value", "missing"),
        ({**GOOD, "timestamp": "soon"}, "timestamp", "unparsable"),
        ({**GOOD, "timestamp": [1]}, "timestamp", "unparsable"),
        ({**GOOD, "timestamp": 1e300}, "timestamp", "unparsable"),
        ({**GOOD, "timestamp": "2999-01-01"}, "timestamp", "in_the_future"),
        ({**GOOD, "timestamp": "1969-12-31T00:00:00Z"}, "timestamp", "before_1970"),
    ],
)
def test_a_wrong_event_says_why_and_does_not_hold_up_the_others(event, field, reason):
    events, user_ids, rejections = check(GOOD, event, GOOD)
    assert len(events) == len(user_ids) == 2
    (rejection,) = rejections
    assert (rejection.position, rejection.field, rejection.reason) == (1, field, reason)
    assert rejection.expected


def test_requests_that_wait_together_share_a_commit(tmp_path, monkeypatch):
    state = LiveState(tmp_path / "live.db")
    commits = []
    record = state.record

    def slow(events, user_ids):
        commits.append(len(events))
        time.sleep(0.05)
        return record(events, user_ids)

    monkeypatch.setattr(state, "record", slow)
    writer = FeedbackWriter(state)

    async def many():
        made = [check({**GOOD, "timestamp": 1_790_000_000 + n})[:2] for n in range(20)]
        await asyncio.gather(*(writer.write(*events) for events in made))

    asyncio.run(many())
    assert sum(commits) == 20
    assert len(commits) <= 3
    assert len(state.events_of("p-u", 100)) == 20
    writer.close()


def test_a_write_that_fails_is_told_to_every_request_of_the_group(tmp_path, monkeypatch):
    state = LiveState(tmp_path / "live.db")

    def fails(events, user_ids):
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(state, "record", fails)
    writer = FeedbackWriter(state)
    events, user_ids, _ = check(GOOD)

    async def two():
        return await asyncio.gather(
            writer.write(events, user_ids), writer.write(events, user_ids), return_exceptions=True
        )

    assert [str(error) for error in asyncio.run(two())] == ["disk is full"] * 2
    writer.close()
