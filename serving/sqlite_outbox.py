"""The outbox in the file of the live state: what waits to be written to the landing zone."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from serving.live_event import LiveEvent, Parcel
from serving.state import batch_name

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL,
  user_id TEXT NOT NULL,
  batch TEXT
);
CREATE INDEX IF NOT EXISTS outbox_by_batch ON outbox (batch);
"""
LATER_COLUMNS: Final = {"given_id": "TEXT", "text": "TEXT", "surface": "TEXT", "device": "TEXT",
                        "duration_s": "REAL", "request_id": "TEXT", "position": "INTEGER",
                        "undoes": "TEXT", "creator_id": "TEXT", "label": "TEXT",
                        "person_id": "TEXT"}  # fmt: skip

_COLUMNS = ("event_id", "user", *Parcel._fields)
_PUT = (
    f"INSERT OR IGNORE INTO outbox ({', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def put(connection: sqlite3.Connection, events: Iterable[tuple[LiveEvent, Parcel]]) -> None:
    """Put accepted events in, in the transaction that keeps them."""
    connection.executemany(
        _PUT, [(event.event_id, event.user, *parcel) for event, parcel in events]
    )


def claim(connection: sqlite3.Connection, max_rows: int) -> str | None:
    """Name the next batch, in a transaction: one that a crash left, else the oldest rows."""
    left = connection.execute("SELECT batch FROM outbox WHERE batch IS NOT NULL LIMIT 1").fetchone()
    if left is not None:
        return str(left[0])
    rows = connection.execute(
        "SELECT seq, event_id FROM outbox ORDER BY seq LIMIT ?", (max_rows,)
    ).fetchall()
    if not rows:
        return None
    batch = batch_name([event_id for _, event_id in rows])
    connection.execute("UPDATE outbox SET batch = ? WHERE seq <= ?", (batch, rows[-1][0]))
    return batch


def rows_of(connection: sqlite3.Connection, batch: str) -> list[dict[str, Any]]:
    """Return the rows of a batch, oldest first."""
    found = connection.execute(
        "SELECT user_id, video_id, timestamp, event, watch_s, value, text, surface, device,"
        " coalesce(given_id, event_id) AS event_id, duration_s, request_id, position, undoes,"
        " creator_id, label, person_id"
        " FROM outbox JOIN live USING (event_id) WHERE batch = ? ORDER BY seq",
        (batch,),
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]
