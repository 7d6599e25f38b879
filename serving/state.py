"""What users did since the champion was trained: SQLite in WAL mode, shared by all workers.

Why SQLite: an acknowledged event must survive the process and the power (`synchronous=FULL`, one
fsync per commit), every worker must see it in the very next request, and a platform on one machine
should need no further server. A read of one user costs about 20 µs beside writers, which WAL never
makes wait. Users are pseudonyms here; what only the landing zone needs (the raw user id, what was
written or searched) lives in the outbox (serving/outbox.py), in the same file because an event and
its export are one transaction, and goes with the export.

What was shown or searched says nothing about one video: it is kept, so that it reaches the landing
zone once, and never read as history. An index over the rest answers "which videos, since when".
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from kinoloop.data.interest import NO_INTERACTION
from serving import sayings, shown, unread, written
from serving.live_event import LiveEvent, Parcel

BUSY_TIMEOUT_S = 20.0  # four workers with one fsync per commit on a busy disk waited over 5 s

_INTERACTION = f"event NOT IN ({', '.join(repr(kind) for kind in NO_INTERACTION)})"
_HISTORY = f"live INDEXED BY live_met WHERE user = ? AND {_INTERACTION}"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS live (
  event_id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  event TEXT NOT NULL,
  watch_s REAL,
  value REAL,
  timestamp INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS live_by_user ON live (user, timestamp);
DROP INDEX IF EXISTS live_interactions;
CREATE INDEX IF NOT EXISTS live_met ON live (user, video_id, timestamp, event)
  WHERE {_INTERACTION};
CREATE INDEX IF NOT EXISTS live_by_time ON live (timestamp);
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL,
  user_id TEXT NOT NULL,
  batch TEXT
);
CREATE INDEX IF NOT EXISTS outbox_by_batch ON outbox (batch);
{sayings.SCHEMA}{shown.SCHEMA}{written.SCHEMA}{unread.SCHEMA}"""
_LATER_COLUMNS = {"given_id": "TEXT", "text": "TEXT", "surface": "TEXT", "device": "TEXT",
                  "duration_s": "REAL", "request_id": "TEXT", "position": "INTEGER",
                  "undoes": "TEXT", "creator_id": "TEXT", "label": "TEXT",
                  "person_id": "TEXT"}  # fmt: skip
_MODE, _FOLDER_MODE = 0o600, 0o700


_OUTBOX = ("event_id", "user", *Parcel._fields)
_TO_OUTBOX = (
    f"INSERT OR IGNORE INTO outbox ({', '.join(_OUTBOX)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_OUTBOX))})"
)
_NOBODY: Mapping[str, str] = {}


class LiveState:
    """The store; one object may be used from many threads, each gets its own connection.

    Args:
        path: The database file; its folder is made. Both are for this account only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: set[sqlite3.Connection] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(_FOLDER_MODE)
        # Workers start together, and SQLite does not wait its turn to switch to WAL.
        with FileLock(path.with_suffix(".lock"), mode=_MODE):
            _keep_private(path)
            with self.transaction() as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                _add_columns(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            with self._lock:
                self._connections.add(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; on the disk when it returns.

        Raises:
            sqlite3.OperationalError: Another writer held the lock too long, or the disk is full.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def record(
        self,
        events: Sequence[LiveEvent],
        parcels: Sequence[Parcel],
        persons: Mapping[str, str] = _NOBODY,
        texts: Sequence[unread.Unread] = (),
    ) -> int:
        """Keep events and put them in the outbox, in one durable commit.

        Args:
            events: What happened.
            parcels: What else the landing zone gets of each.
            persons: Pseudonym of each raw `person_id`.
            texts: What some of the events say, to be read later.

        Returns:
            How many were new; an event that is known already is kept once.
        """
        with self.transaction() as connection:
            new = [
                (event, parcel)
                for event, parcel in zip(events, parcels, strict=True)
                if connection.execute(
                    "INSERT OR IGNORE INTO live VALUES (?, ?, ?, ?, ?, ?, ?)", event
                ).rowcount
            ]
            for event, parcel in new:
                if event.event in sayings.SAYINGS:
                    about = (parcel.undoes, parcel.creator_id, parcel.label)
                    who, at = (event.event_id, event.user), event.timestamp
                    said = sayings.Said(*who, event.event, event.video_id, at, *about)
                    sayings.keep(connection, said)
                elif event.event == "identify":
                    person = persons[parcel.person_id or ""]
                    sayings.link(connection, event.user, person, event.timestamp)
            connection.executemany(
                _TO_OUTBOX, [(event.event_id, event.user, *parcel) for event, parcel in new]
            )
            unread.keep(connection, texts, of={event.event_id for event, _ in new})
        return len(new)

    def keep_written(self, lines: Sequence[written.Line]) -> None:
        """Keep what searches and comments said, and wait for them no more."""
        with self.transaction() as connection:
            written.keep(connection, lines)
            unread.remove(connection, [line.event_id for line in lines])

    def unread_of(self, users: Sequence[str], space: str) -> list[unread.Unread]:
        """Return the texts of the ids of a person that wait to be read, newest first."""
        return unread.of_users(self.connection, users, space)

    def newest_written(self, users: Sequence[str], space: str) -> list[written.Line]:
        """Return the newest texts of the ids of a person, newest first."""
        return written.newest(self.connection, users, space)

    def ids_of(self, user: str) -> list[str]:
        """All pseudonyms of the person that a pseudonym is: the person's own first."""
        return sayings.ids_of(self.connection, user)

    def remember_shown(self, places: Sequence[tuple[str, str, int]], *, within_s: float) -> None:
        """Count what pseudonyms were shown: pseudonym, video, µs of each place."""
        persons = {user: self.ids_of(user)[0] for user in {place[0] for place in places}}
        named = [(persons[user], video, at) for user, video, at in places]
        with self.transaction() as connection:
            shown.remember(connection, named, within=round(within_s * 1e6))

    def shown_often(self, user: str, *, times: int, since: int) -> list[str]:
        """Videos that the person was shown at least `times`, and last after `since` (µs)."""
        return shown.often(self.connection, self.ids_of(user)[0], times=times, since=since)

    def said_by(self, users: Sequence[str]) -> list[sayings.Said]:
        """List what the ids of a person took back and are not interested in, in no order."""
        return sayings.said_by(self.connection, users)

    def videos_of(self, user: str) -> dict[str, int]:
        """Every video that a pseudonym did something with, and when first (µs), in no order."""
        newest_first = self.connection.execute(
            f"SELECT video_id, timestamp FROM {_HISTORY} ORDER BY video_id DESC, timestamp DESC",  # noqa: S608
            (user,),
        )
        return dict(newest_first.fetchall())  # of one video the last row counts; 2 × GROUP BY

    def events_of(self, user: str, *, at_most: int) -> list[LiveEvent] | None:
        """All that a pseudonym did, in no order, impressions left out; None where it is more."""
        rows = self.connection.execute(
            f"SELECT * FROM {_HISTORY} LIMIT ?",  # noqa: S608
            (user, at_most + 1),
        ).fetchall()
        return None if len(rows) > at_most else [LiveEvent(*row) for row in rows]

    def events_with(self, user: str, video_ids: Sequence[str]) -> list[LiveEvent]:
        """Return what a pseudonym did with some videos, in no order and without impressions."""
        marks = ", ".join("?" * len(video_ids))
        rows = self.connection.execute(
            f"SELECT * FROM {_HISTORY} AND video_id IN ({marks})",  # noqa: S608
            (user, *video_ids),
        ).fetchall()
        return [LiveEvent(*row) for row in rows]

    def forget_before(self, timestamp: int) -> int:
        """Delete events older than `timestamp` (µs) that have left the outbox; how many."""
        with self.transaction() as connection:
            written.forget_before(connection, timestamp)
            unread.forget_before(connection, timestamp)
            return connection.execute(
                "DELETE FROM live WHERE timestamp < ? AND event_id NOT IN"
                " (SELECT event_id FROM outbox)",
                (timestamp,),
            ).rowcount

    def forget_shown(self, before: int) -> None:
        """Forget what was last shown before a time (µs)."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM shown WHERE last < ?", (before,))

    def forget_user(self, user: str) -> int:
        """Erase a pseudonym, exported or not; how many events."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE user = ?", (user,))
            sayings.forget(connection, user)
            written.forget(connection, user)
            unread.forget(connection, user)
            shown.forget(connection, user)
            erased = connection.execute("DELETE FROM live WHERE user = ?", (user,)).rowcount
        self.wipe()
        return erased

    def wipe(self) -> None:
        """Empty the write-ahead log, where deleted rows stay readable until it is.

        Where another connection is reading, the next call does it.
        """
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            self._discard(connection)

    def shut(self) -> None:
        """Close the connections of all threads, which use it no more, and leave no log behind."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            self._discard(connection)
        self._local = threading.local()
        self.wipe()
        self.close()

    def _discard(self, connection: sqlite3.Connection) -> None:
        connection.close()
        with self._lock:
            self._connections.discard(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # `shut` closes what threads that have ended leave
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # an erased user id leaves no bytes behind
        connection.execute("PRAGMA mmap_size = 67108864")
        return connection


def _keep_private(path: Path) -> None:
    """Make the database 0600 before SQLite opens it: its log takes the mode of the database."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
    for file in path.parent.glob(f"{path.name}*"):
        file.chmod(_MODE)


def _add_columns(connection: sqlite3.Connection) -> None:
    """Bring the outbox of an older version up to date."""
    present = {row[1] for row in connection.execute("PRAGMA table_info(outbox)")}
    for name, kind in _LATER_COLUMNS.items():
        if name not in present:
            connection.execute(f"ALTER TABLE outbox ADD COLUMN {name} {kind}")
