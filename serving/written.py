"""What people searched and commented since the release was made: vectors, never texts.

Kept beside the live events (serving/state.py), in the same file: an accepted search or comment
counts in the very next request, as what is watched does. A vector can be compared only in the space
of the text vectors that it was made for; of another space it waits for the next training, which
reads the texts of the tables again. A release whose ranker reads no texts has none kept.
"""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.interest import CODES
from kinoloop.data.written import WRITTEN, Wrote, readable
from kinoloop.ranking.written import NEWEST, WITHIN_US
from serving.live_event import LiveEvent, Parcel
from serving.sayings import Said, hashed

if TYPE_CHECKING:
    from kinoloop.release.texts import Texts
    from serving.in_service import InService
    from serving.state import LiveState

SCHEMA = """
CREATE TABLE IF NOT EXISTS written (
  event_id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  event TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  space TEXT NOT NULL,
  vector BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS written_by_user ON written (user, timestamp);
CREATE INDEX IF NOT EXISTS written_by_time ON written (timestamp);
"""
SAME = 0.999
"""Cosine from which two searches within half an hour are one that was told twice: by `/search`,
and by the client in `/feedback`."""


class Line(NamedTuple):
    """One text, as it is kept.

    Attributes:
        event_id: Of the event.
        user: Pseudonym.
        video_id: External id; empty where it names none.
        event: `search` or `comment`.
        timestamp: µs since the epoch, UTC.
        space: Fingerprint of the text vectors that it may be compared with.
        vector: float16.
    """

    event_id: str
    user: str
    video_id: str
    event: str
    timestamp: int
    space: str
    vector: bytes


def lines_of(
    events: Sequence[LiveEvent], parcels: Sequence[Parcel], texts: "Texts | None"
) -> list[Line]:
    """Read the texts of accepted events; of each user only as many as are ever read.

    Args:
        events: In any order.
        parcels: What else is known of each.
        texts: Of the release in service; None without one.
    """
    if texts is None or not texts.space:
        return []
    mine: dict[str, list[tuple[LiveEvent, str]]] = {}
    for event, parcel in zip(events, parcels, strict=True):
        text = readable(parcel.text) if event.event in WRITTEN else None
        if text is not None:
            mine.setdefault(event.user, []).append((event, text))
    for wrote in mine.values():
        wrote.sort(key=lambda one: one[0].timestamp)
    kept = [one for wrote in mine.values() for one in wrote[-NEWEST:]]
    vectors = texts.encode([text for _, text in kept]) if kept else None
    if vectors is None:
        return []
    return [
        Line(*_key(event), texts.space, vector.astype(np.float16).tobytes())
        for (event, _), vector in zip(kept, vectors, strict=True)
    ]


def searched(user: str, query: str, texts: "Texts", *, at: int) -> Line | None:
    """Read a query of `/search`; None where it is not read.

    Args:
        user: Pseudonym.
        query: As it came.
        texts: Of the release in service.
        at: µs since the epoch.
    """
    text = readable(query)
    vectors = texts.encode([text]) if texts.space and text is not None else None
    if vectors is None:
        return None
    blob = vectors[0].astype(np.float16).tobytes()
    return Line(hashed(user, "search", blob, at), user, "", "search", at, texts.space, blob)


def keep(connection: sqlite3.Connection, lines: Sequence[Line]) -> None:
    """Remember texts, each once."""
    connection.executemany("INSERT OR IGNORE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)", lines)


def newest(connection: sqlite3.Connection, users: Sequence[str], space: str) -> list[Line]:
    """Return the newest texts of the ids of a person in a space, newest first.

    Twice as many as are read: some may be taken back, or told twice.
    """
    marks = ", ".join("?" * len(users))
    rows = connection.execute(
        f"SELECT * FROM written WHERE user IN ({marks}) AND space = ?"  # noqa: S608
        " ORDER BY timestamp DESC, event_id LIMIT ?",
        (*users, space, 2 * NEWEST),
    )
    return [Line(*row) for row in rows]


def forget(connection: sqlite3.Connection, user: str) -> None:
    """Erase what a pseudonym wrote."""
    connection.execute("DELETE FROM written WHERE user = ?", (user,))


def forget_before(connection: sqlite3.Connection, timestamp: int) -> None:
    """Forget what was written before a time (µs)."""
    connection.execute("DELETE FROM written WHERE timestamp < ?", (timestamp,))


def written_by(user: str, current: "InService", state: "LiveState") -> list[Wrote]:
    """Return what the person that a user is wrote lately, oldest first.

    Args:
        user: Pseudonym.
        current: The release in service.
        state: Live events.
    """
    texts = current.release.texts
    if not texts.space:
        return []
    users = state.ids_of(user)
    undone = [one for one in state.said_by(users) if one.event == "undo"]
    live = [
        Wrote(CODES[line.event], line.timestamp, _vector(line.vector))
        for line in state.newest_written(users, texts.space)
        if not _taken_back(line, undone)
    ]
    stored = [one for each in users for one in texts.of(each)]
    found: list[Wrote] = []
    for one in sorted([*live, *stored], key=lambda wrote: -wrote.timestamp):
        if len(found) < NEWEST and not any(_told_twice(one, other) for other in found):
            found.append(one)
    return found[::-1]


def _key(event: LiveEvent) -> tuple[str, str, str, str, int]:
    return event.event_id, event.user, event.video_id, event.event, event.timestamp


def _vector(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, dtype=np.float16).astype(np.float32)


def _taken_back(line: Line, undone: Sequence[Said]) -> bool:
    named = (line.event_id, line.event, line.video_id, line.timestamp)
    return any(one.takes_back(*named) for one in undone)


def _told_twice(one: Wrote, newer: Wrote) -> bool:
    near = one.kind == newer.kind and newer.timestamp - one.timestamp < WITHIN_US
    return near and float(one.vector @ newer.vector) > SAME
