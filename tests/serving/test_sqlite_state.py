"""What is particular to the live state in SQLite; what it promises is in test_state.py."""

import os
import sqlite3
import threading

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from serving import sayings
from serving.live_event import Parcel
from serving.sqlite_state import SqliteState
from serving.state import open_state
from tests.serving.test_state import all_of, event, of


@pytest.fixture
def state(tmp_path):
    return SqliteState(tmp_path / "live.db")


def test_every_commit_is_on_the_disk(state):
    assert state.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert state.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_file_of_the_state_is_for_anybody_else_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        state = SqliteState(tmp_path / "serving" / "live.db")
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
    SqliteState(state.path)
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
            "CREATE TABLE first_slates (video_id TEXT PRIMARY KEY, at INTEGER NOT NULL)"
            " WITHOUT ROWID;"
            "INSERT INTO first_slates VALUES ('earlier', 1);"
        )
    old.close()
    state = SqliteState(path)
    state.record([event(2)], [Parcel("u1", text="soup")])
    assert [e.timestamp for e in all_of(state, "p1")] == [1, 2]
    texts = state.connection.execute("SELECT text FROM outbox ORDER BY seq").fetchall()
    assert texts == [(None,), ("soup",)]
    assert state.first_slate("later", 2, 1.5)
    assert state.newest_first_slates(9) == [1.5]


def test_a_folder_that_others_use_is_not_closed_to_them_by_an_address(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    with pytest.raises(ConfigError, match=r"others can look into .*; name a folder of its own"):
        open_state(Environment(state_url=f"sqlite:///{shared}/live.db"))
    assert shared.stat().st_mode & 0o777 == 0o755
    state = open_state(Environment(state_url=f"sqlite:///{shared}/own/live.db"))
    assert (shared / "own").stat().st_mode & 0o777 == 0o700
    state.shut()


def test_each_thread_has_its_own_connection(state):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(state.connection))
    thread.start()
    thread.join()
    assert seen[0] is not state.connection


def test_a_lock_that_is_held_too_long_is_an_error(state, monkeypatch):
    monkeypatch.setattr("serving.sqlite_connections.BUSY_TIMEOUT_S", 0.1)
    other = SqliteState(state.path)
    with (
        state.transaction(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.record([event(1)], of("u"))


def test_a_state_of_before_loses_the_index_by_time_and_keeps_what_was_shown(tmp_path):
    state = SqliteState(tmp_path / "live.db")
    state.remember_shown([("p1", 'v"1\n', 10)], within_s=1.0)
    state.connection.execute("CREATE INDEX shown_by_time ON shown (last)")
    state.close()
    state = SqliteState(tmp_path / "live.db")
    assert state.shown_often("p1", times=1, since=0) == ['v"1\n']
    indices = state.connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
    assert ("shown_by_time",) not in indices.fetchall()


def test_what_an_answer_asks_twice_is_read_once(state):
    person, statements = state.about("p"), []
    state.connection.set_trace_callback(statements.append)
    for _ in range(3):
        ids = person.ids_of("p")
        assert person.said_by(ids) == []
        assert person.shown_often("p", times=1, since=0) == []
    assert sum("links" in statement for statement in statements) == 1
    assert sum("FROM said" in statement for statement in statements) == 1
    with state.transaction() as connection:
        sayings.link(connection, "tv", "p", 1)
    assert person.ids_of("p") == ["p"]  # as the answer began
    assert person.ids_of("tv") == state.about("p").ids_of("p") == ["p", "tv"]
