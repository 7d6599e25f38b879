import multiprocessing
import os
import sqlite3
import threading

import pytest

from serving.state import LiveEvent, LiveState, Parcel


def event(number: int, user: str = "p1", **changes) -> LiveEvent:
    given = {"event_id": f"e{number}", "user": user, "video_id": f"v{number}", "event": "view",
             "watch_s": None, "value": None, "timestamp": number}  # fmt: skip
    return LiveEvent(**{**given, **changes})


def of(*user_ids: str) -> list[Parcel]:
    return [Parcel(user_id) for user_id in user_ids]


def all_of(state, user: str) -> list[LiveEvent]:
    found = state.events_of(user, at_most=100)
    return sorted(found, key=lambda event: event.timestamp)


@pytest.fixture
def state(tmp_path):
    return LiveState(tmp_path / "live.db")


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
    assert state.connection.execute("SELECT count(*) FROM outbox").fetchone() == (3,)


def test_the_same_event_twice_is_one_event(state):
    assert state.record([event(1), event(1)], of("u", "u")) == 1
    assert state.record([event(1)], of("u")) == 0
    assert len(all_of(state, "p1")) == 1
    assert state.connection.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_a_failed_write_leaves_nothing(state):
    with pytest.raises(ValueError, match="shorter"):
        state.record([event(1), event(2)], of("u"))
    assert all_of(state, "p1") == []
    state.record([event(3)], of("u"))  # and the next one works
    assert len(all_of(state, "p1")) == 1


def test_old_events_are_forgotten_once_they_have_left_the_outbox(state):
    state.record([event(1), event(100)], of("u", "u"))
    assert state.forget_before(50) == 0
    with state.transaction() as connection:
        connection.execute("DELETE FROM outbox")
    assert state.forget_before(50) == 1
    assert [e.timestamp for e in all_of(state, "p1")] == [100]


def test_a_user_can_be_erased(state):
    state.record([event(1), event(2, user="p2")], of("u1", "u2"))
    assert state.forget_user("p1") == 1
    assert all_of(state, "p1") == []
    rows = state.connection.execute("SELECT user_id FROM outbox").fetchall()
    assert rows == [("u2",)]


def test_every_commit_is_on_the_disk(state):
    assert state.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert state.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_file_of_the_state_is_for_anybody_else_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        state = LiveState(tmp_path / "serving" / "live.db")
        state.record([event(1)], of("u"))
        files = list(state.path.parent.iterdir())
        assert {file.name for file in files} >= {"live.db", "live.db-wal", "live.db-shm"}
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert state.path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_a_state_that_was_readable_by_others_is_closed_to_them(state):
    state.record([event(1)], of("u"))
    state.path.parent.chmod(0o755)
    for file in state.path.parent.iterdir():
        file.chmod(0o644)
    LiveState(state.path)
    assert state.path.parent.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o777 for f in state.path.parent.glob("live.db*")} == {0o600}


def test_what_was_deleted_is_in_no_file_after_a_clean_stop(state):
    state.record([event(1), event(2)], of("raw-user", "raw-user"))
    reader = threading.Thread(target=lambda: state.connection.execute("SELECT 1 FROM live"))
    reader.start()
    reader.join()  # its connection stays open: nobody closes it in its name
    with state.transaction() as connection:
        connection.execute("DELETE FROM outbox")
    state.shut()
    found = {f.name: f.read_bytes() for f in state.path.parent.iterdir()}
    assert "live.db" in found
    assert not found.get("live.db-wal")
    assert all(b"raw-user" not in content for content in found.values())


def test_an_erased_user_leaves_no_bytes_behind_while_the_service_runs(state):
    state.record([event(1)], of("raw-user"))
    state.forget_user("p1")
    assert all(b"raw-user" not in f.read_bytes() for f in state.path.parent.glob("live.db*"))


def test_a_state_of_an_older_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "live.db"
    with sqlite3.connect(path) as old:
        old.executescript(
            "CREATE TABLE live (event_id TEXT PRIMARY KEY, user TEXT NOT NULL, video_id TEXT NOT"
            " NULL, event TEXT NOT NULL, watch_s REAL, value REAL, timestamp INTEGER NOT NULL)"
            " WITHOUT ROWID;"
            "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL"
            " UNIQUE, user TEXT NOT NULL, user_id TEXT NOT NULL, batch TEXT);"
            "INSERT INTO live VALUES ('e1', 'p1', 'v1', 'view', NULL, NULL, 1);"
            "INSERT INTO outbox (event_id, user, user_id) VALUES ('e1', 'p1', 'u1');"
        )
    old.close()
    state = LiveState(path)
    state.record([event(2)], [Parcel("u1", text="soup")])
    assert [e.timestamp for e in all_of(state, "p1")] == [1, 2]
    texts = state.connection.execute("SELECT text FROM outbox ORDER BY seq").fetchall()
    assert texts == [(None,), ("soup",)]


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
        other.record([event(1)], of("u"))


def _open_and_record(path, number):
    state = LiveState(path)
    for index in range(20):
        state.record([event(number * 100 + index)], of("u"))


def test_workers_that_start_together_share_one_store(tmp_path):
    path = tmp_path / "fresh" / "live.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_open_and_record, args=(path, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(all_of(LiveState(path), "p1")) == 80
