"""What the file of the live state knows of videos: what operators said, and first slates."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from kinoloop.release.availability import Window

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS availability (
  video_id TEXT PRIMARY KEY,
  opens INTEGER NOT NULL,
  closes INTEGER NOT NULL,
  hidden INTEGER NOT NULL,
  said_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS first_slates (
  video_id TEXT PRIMARY KEY, at INTEGER NOT NULL, seconds REAL
) WITHOUT ROWID;
"""
LATER_COLUMNS: Final = {"seconds": "REAL"}


def availability(connection: sqlite3.Connection) -> dict[str, Window]:
    """Read what operators said, by external id."""
    rows = connection.execute("SELECT video_id, opens, closes, hidden FROM availability")
    return {name: Window(opens, closes, bool(hidden)) for name, opens, closes, hidden in rows}


def say(
    connection: sqlite3.Connection,
    video_id: str,
    change: Callable[[Window | None], Window],
    *,
    at: int,
) -> Window:
    """Change what is said of a video, in a transaction."""
    row = connection.execute(
        "SELECT opens, closes, hidden FROM availability WHERE video_id = ?", (video_id,)
    ).fetchone()
    window = change(None if row is None else Window(row[0], row[1], bool(row[2])))
    connection.execute(
        "INSERT OR REPLACE INTO availability VALUES (?, ?, ?, ?, ?)",
        (video_id, *window[:2], int(window.hidden), at),
    )
    return window


def settle(connection: sqlite3.Connection, agreed: Mapping[str, Window]) -> None:
    """Drop what was said, where it is still this, in a transaction."""
    connection.executemany(
        "DELETE FROM availability WHERE video_id = ? AND opens = ? AND closes = ? AND hidden = ?",
        [(video_id, *window[:2], int(window.hidden)) for video_id, window in agreed.items()],
    )


def first_slate(connection: sqlite3.Connection, video_id: str, at: int, seconds: float) -> bool:
    """Note when a video was first shown, in a transaction; whether it is new."""
    added = connection.execute(
        "INSERT OR IGNORE INTO first_slates (video_id, at, seconds) VALUES (?, ?, ?)",
        (video_id, at, seconds),
    )
    return added.rowcount > 0


def newest_first_slates(connection: sqlite3.Connection, at_most: int) -> list[float]:
    """Seconds from landing to first slate of the newest uploads, newest first."""
    rows = connection.execute(
        "SELECT seconds FROM first_slates WHERE seconds IS NOT NULL ORDER BY at DESC LIMIT ?",
        (at_most,),
    )
    return [float(seconds) for (seconds,) in rows]
