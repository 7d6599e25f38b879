"""Texts of accepted events that wait to be read: to be made vectors (serving/reading.py).

They are kept with their events in one transaction (serving/state.py), so acceptance never waits for
an encoder, a crash loses none, and any worker may read them. A text is erased when it is read.
"""

import logging
import sqlite3
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kinoloop.data.written import WRITTEN, readable
from serving import metrics
from serving.live_event import LiveEvent, Parcel
from serving.repeats import surplus

if TYPE_CHECKING:
    from kinoloop.release.texts import Texts

logger = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS unread (
  event_id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  event TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  space TEXT NOT NULL,
  text TEXT NOT NULL,
  kept INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unread_by_user ON unread (user, timestamp);
CREATE INDEX IF NOT EXISTS unread_by_time ON unread (kept);
"""
MOST = 50_000
"""Texts that wait at most, of all users; some hours of reading, and about 20 MB."""
LEFT_US = 3_600_000_000
"""After an hour a text of another space is erased: no release in service will read it."""


class Unread(NamedTuple):
    """One text that waits.

    Attributes:
        event_id: Of the event.
        user: Pseudonym.
        video_id: External id; empty where it names none.
        event: `search` or `comment`.
        timestamp: µs since the epoch, UTC.
        space: Fingerprint of the text vectors that it will be compared with.
        text: As it is read.
    """

    event_id: str
    user: str
    video_id: str
    event: str
    timestamp: int
    space: str
    text: str

    def repeats(self, newer: "Unread") -> bool:
        """Whether it says what another text says."""
        return (self.event, self.text) == (newer.event, newer.text)


def texts_of(
    events: Sequence[LiveEvent], parcels: Sequence[Parcel], texts: "Texts | None"
) -> list[Unread]:
    """Return the texts of accepted events that will be read.

    Args:
        events: In any order.
        parcels: What else is known of each.
        texts: Of the release in service; None without one.
    """
    if texts is None or not texts.space:
        return []
    found = []
    for event, parcel in zip(events, parcels, strict=True):
        text = readable(parcel.text) if event.event in WRITTEN else None
        if text is not None:
            key = (event.event_id, event.user, event.video_id, event.event, event.timestamp)
            found.append(Unread(*key, texts.space, text))
    return found


def keep(connection: sqlite3.Connection, texts: Sequence[Unread], *, of: Collection[str]) -> None:
    """Keep the texts of some events until they are read, of each user those that may count."""
    texts = [text for text in texts if text.event_id in of]
    if not texts:
        return
    (waiting,) = connection.execute("SELECT count(*) FROM unread").fetchone()
    room = max(0, MOST - int(waiting))
    now = time.time_ns() // 1000
    connection.executemany(
        "INSERT OR IGNORE INTO unread VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(*text, now) for text in texts[:room]],
    )
    for user, space in {(text.user, text.space) for text in texts[:room]}:
        rows = of_users(connection, [user], space)
        remove(connection, [row.event_id for row in surplus(rows, Unread.repeats)])
    if left_out := len(texts[room:]):
        metrics.TEXTS.labels("queue_full").inc(left_out)
        logger.warning("%d texts count after the next training only: too many wait", left_out)


def of_users(connection: sqlite3.Connection, users: Sequence[str], space: str) -> list[Unread]:
    """Return what waits of the ids of a person, newest first."""
    marks = ", ".join("?" * len(users))
    rows = connection.execute(
        f"SELECT {', '.join(Unread._fields)} FROM unread WHERE user IN ({marks}) AND space = ?"  # noqa: S608
        " ORDER BY timestamp DESC, event_id",
        (*users, space),
    )
    return [Unread(*row) for row in rows]


def longest_kept(connection: sqlite3.Connection, space: str, *, at_most: int) -> list[Unread]:
    """Return the texts of a space that have waited longest."""
    rows = connection.execute(
        f"SELECT {', '.join(Unread._fields)} FROM unread WHERE space = ? ORDER BY kept LIMIT ?",  # noqa: S608
        (space, at_most),
    )
    return [Unread(*row) for row in rows]


def left_over(connection: sqlite3.Connection, space: str) -> list[Unread]:
    """Return the texts that no release in service will read."""
    rows = connection.execute(
        f"SELECT {', '.join(Unread._fields)} FROM unread WHERE kept < ? AND space != ?",  # noqa: S608
        (time.time_ns() // 1000 - LEFT_US, space),
    )
    return [Unread(*row) for row in rows]


def remove(connection: sqlite3.Connection, event_ids: Sequence[str]) -> None:
    """Erase texts that were read, or never will be."""
    connection.executemany(
        "DELETE FROM unread WHERE event_id = ?", [(event_id,) for event_id in event_ids]
    )


def forget(connection: sqlite3.Connection, user: str) -> None:
    """Erase what a pseudonym wrote."""
    connection.execute("DELETE FROM unread WHERE user = ?", (user,))


def forget_before(connection: sqlite3.Connection, timestamp: int) -> None:
    """Forget what was written before a time (µs)."""
    connection.execute("DELETE FROM unread WHERE timestamp < ?", (timestamp,))
