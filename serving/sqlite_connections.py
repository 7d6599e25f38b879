"""Connections to the SQLite file of the live state: one per thread, each commit on the disk."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

BUSY_TIMEOUT_S = 20.0  # four workers with one fsync per commit on a busy disk waited over 5 s
_MODE, _FOLDER_MODE = 0o600, 0o700


class SqliteConnections:
    """Opens the file; it and its folder are for this account only.

    Args:
        path: The database file; its folder is made.
        schema: Statements that make what is missing, `;` between them.
        later: Columns of tables that older versions made without them, each with its type.
    """

    def __init__(self, path: Path, schema: str, later: dict[str, dict[str, str]]) -> None:
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
                for statement in schema.split(";"):
                    connection.execute(statement)
                for table, columns in later.items():
                    _add_columns(connection, table, columns)

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

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Enter a work that one process does at a time; whether this is the one."""
        lock = FileLock(self.path.with_suffix(f".{work}.lock"), mode=_MODE)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

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


def _add_columns(connection: sqlite3.Connection, table: str, columns: dict[str, str]) -> None:
    """Bring a table of an older version up to date."""
    present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    for name, kind in columns.items():
        if name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
