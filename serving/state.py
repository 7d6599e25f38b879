"""What users did since the champion was trained: SQLite in WAL mode, shared by all workers.

Why SQLite: an acknowledged event must survive the process and the power (`synchronous=FULL`, one
fsync a commit), every worker must see it in the very next request, and a platform on one machine
should need no further server. A read of one user costs about 20 µs beside writers, which WAL never
makes wait. Users are pseudonyms here; the raw id lives only in the outbox (serving/outbox.py), in
the same file because an event and its export are one transaction.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

BUSY_TIMEOUT_S = 20.0  # four workers with an fsync a commit on a busy disk waited over 5 s

_SCHEMA = """
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
CREATE INDEX IF NOT EXISTS live_by_time ON live (timestamp);
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL,
  user_id TEXT NOT NULL,
  batch TEXT
);
CREATE INDEX IF NOT EXISTS outbox_by_batch ON outbox (batch);
"""


class LiveEvent(NamedTuple):
    """One accepted event.

    Attributes:
        event_id: Hash of everything below; the same event twice is one event.
        user: Pseudonym.
        video_id: External id.
        event: One of `schema.EVENT_KINDS`.
        watch_s: Seconds watched, None where unknown.
        value: Stars of a rating, None elsewhere.
        timestamp: µs since the epoch, UTC.
    """

    event_id: str
    user: str
    video_id: str
    event: str
    watch_s: float | None
    value: float | None
    timestamp: int


class LiveState:
    """The store; one object may be used from many threads, each gets its own connection.

    Args:
        path: The database file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Workers start together, and SQLite does not wait its turn to switch to WAL.
        with FileLock(path.with_suffix(".lock")), self.transaction() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            path.chmod(0o600)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
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

    def record(self, events: Sequence[LiveEvent], user_ids: Sequence[str]) -> int:
        """Keep events and put them in the outbox, in one durable commit.

        Args:
            events: What happened.
            user_ids: The raw user id of each, for the landing zone.

        Returns:
            How many were new; an event that is known already is kept once.
        """
        with self.transaction() as connection:
            new = [
                (event.event_id, event.user, user_id)
                for event, user_id in zip(events, user_ids, strict=True)
                if connection.execute(
                    "INSERT OR IGNORE INTO live VALUES (?, ?, ?, ?, ?, ?, ?)", event
                ).rowcount
            ]
            connection.executemany(
                "INSERT OR IGNORE INTO outbox (event_id, user, user_id) VALUES (?, ?, ?)", new
            )
        return len(new)

    def events_of(self, user: str, limit: int) -> list[LiveEvent]:
        """The newest events of a pseudonym, oldest first."""
        rows = self.connection.execute(
            "SELECT * FROM live WHERE user = ? ORDER BY timestamp DESC, event_id LIMIT ?",
            (user, limit),
        ).fetchall()
        return [LiveEvent(*row) for row in reversed(rows)]

    def forget_before(self, timestamp: int) -> int:
        """Delete events older than `timestamp` (µs) that have left the outbox; how many."""
        with self.transaction() as connection:
            return connection.execute(
                "DELETE FROM live WHERE timestamp < ? AND event_id NOT IN"
                " (SELECT event_id FROM outbox)",
                (timestamp,),
            ).rowcount

    def forget_user(self, user: str) -> int:
        """Erase a pseudonym, exported or not; how many events."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE user = ?", (user,))
            return connection.execute("DELETE FROM live WHERE user = ?", (user,)).rowcount

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # an erased user id leaves no bytes behind
        connection.execute("PRAGMA mmap_size = 67108864")
        return connection
