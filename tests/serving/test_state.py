import multiprocessing
import sqlite3
import threading

import pytest

from serving.state import LiveEvent, LiveState


def event(number: int, user: str = "p1", **changes) -> LiveEvent:
    given = {"event_id": f"e{number}", "user": user, "video_id": f"v{number}", "event": "view",
             "watch_s": None, "value": None, "timestamp": number}  # fmt: skip
    return LiveEvent(**{**given, **changes})


@pytest.fixture
def state(tmp_path):
    return LiveState(tmp_path / "live.db")


def test_events_come_back_oldest_first_and_only_of_the_user(state):
    state.record([event(2), event(1), event(3, user="p2")], ["u1", "u1", "u2"])
    assert [e.timestamp for e in state.events_of("p1", 10)] == [1, 2]
    assert state.events_of("p2", 10) == [event(3, user="p2")]
    assert state.events_of("nobody", 10) == []


def test_limit_keeps_the_newest(state):
    state.record([event(n) for n in range(9)], ["u1"] * 9)
    assert [e.timestamp for e in state.events_of("p1", 2)] == [7, 8]


def test_the_same_event_twice_is_one_event(state):
    assert state.record([event(1), event(1)], ["u", "u"]) == 1
    assert state.record([event(1)], ["u"]) == 0
    assert len(state.events_of("p1", 10)) == 1
    assert state.connection.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_a_failed_write_leaves_nothing(state):
    with pytest.raises(ValueError, match="shorter"):
        state.record([event(1), event(2)], ["u"])
    assert state.events_of("p1", 10) == []
    state.record([event(3)], ["u"])  # and the next one works
    assert len(state.events_of("p1", 10)) == 1


def test_old_events_are_forgotten_once_they_have_left_the_outbox(state):
    state.record([event(1), event(100)], ["u", "u"])
    assert state.forget_before(50) == 0
    with state.transaction() as connection:
        connection.execute("DELETE FROM outbox")
    assert state.forget_before(50) == 1
    assert [e.timestamp for e in state.events_of("p1", 10)] == [100]


def test_a_user_can_be_erased(state):
    state.record([event(1), event(2, user="p2")], ["u1", "u2"])
    assert state.forget_user("p1") == 1
    assert state.events_of("p1", 10) == []
    rows = state.connection.execute("SELECT user_id FROM outbox").fetchall()
    assert rows == [("u2",)]


def test_every_commit_is_on_the_disk(state):
    assert state.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert state.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert state.path.stat().st_mode & 0o077 == 0


def test_each_thread_has_its_own_connection(state):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(state.connection))
    thread.start()
    thread.join()
    assert seen[0] is not state.connection


def test_a_lock_that_is_held_too_long_is_an_error(state, monkeypatch):
    monkeypatch.setattr("serving.state.BUSY_TIMEOUT_S", 0.1)
    other = LiveState(state.path)
    with (
        state.transaction(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.record([event(1)], ["u"])


def _open_and_record(path, number):
    state = LiveState(path)
    for index in range(20):
        state.record([event(number * 100 + index)], ["u"])


def test_workers_that_start_together_share_one_store(tmp_path):
    path = tmp_path / "fresh" / "live.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_open_and_record, args=(path, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(LiveState(path).events_of("p1", 1000)) == 80
