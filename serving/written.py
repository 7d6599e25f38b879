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
from kinoloop.data.written import Wrote, readable
from kinoloop.ranking.written import NEWEST, WITHIN_US
from serving.repeats import MOST, surplus
from serving.sayings import Said, hashed
from serving.unread import Unread

if TYPE_CHECKING:
    from kinoloop.release.texts import Texts
    from serving.in_service import InService
    from serving.reading import Reading
    from serving.state import People

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
OURS = "search "
"""How ids of searches begin that `/search` told, and no client may name."""


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


def read(waiting: Sequence[Unread], texts: "Texts") -> list[Line]:
    """Read texts; none where no encoder is here.

    Args:
        waiting: A few: search waits as long as it takes.
        texts: Of the release in service.
    """
    said = list(dict.fromkeys(one.text for one in waiting))
    vectors = texts.encode(said) if said else None
    if vectors is None:
        return []
    blobs = {text: _blob(vector) for text, vector in zip(said, vectors, strict=True)}
    return [Line(*one[:-1], blobs[one.text]) for one in waiting]


def searched(
    user: str, query: str, vector: NDArray[np.float32] | None, space: str, *, at: int
) -> Line | None:
    """Return a query of `/search` as it is kept; None where it is not read.

    Args:
        user: Pseudonym.
        query: As it came.
        vector: Of the query, as it was searched; None where it was searched by words.
        space: That the release in service reads.
        at: µs since the epoch.
    """
    if not space or vector is None or readable(query) is None:
        return None
    blob = _blob(vector)
    key = OURS + hashed(user, "search", blob, at)
    return Line(key, user, "", "search", at, space, blob)


def keep(connection: sqlite3.Connection, lines: Sequence[Line]) -> None:
    """Remember texts, each once, and of each user as many as may count."""
    connection.executemany("INSERT OR IGNORE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)", lines)
    for user, space in {(line.user, line.space) for line in lines}:
        rows = connection.execute(
            "SELECT * FROM written WHERE user = ? AND space = ? ORDER BY timestamp DESC, event_id",
            (user, space),
        )
        connection.executemany(
            "DELETE FROM written WHERE event_id = ?",
            [(line.event_id,) for line in surplus_of([Line(*row) for row in rows])],
        )


def surplus_of(lines: Sequence[Line]) -> list[Line]:
    """Return what need not be kept of one user in one space, of lines newest first."""
    found = [(line, _wrote(line)) for line in lines]
    left_out = surplus(
        found,
        lambda one, newer: _told_twice(one[1], newer[1]),
        ours=lambda one: one[0].event_id.startswith(OURS),
    )
    return [line for line, _ in left_out]


def newest(connection: sqlite3.Connection, users: Sequence[str], space: str) -> list[Line]:
    """Return the newest texts of the ids of a person in a space, newest first."""
    marks = ", ".join("?" * len(users))
    rows = connection.execute(
        f"SELECT * FROM written WHERE user IN ({marks}) AND space = ?"  # noqa: S608
        " ORDER BY timestamp DESC, event_id LIMIT ?",
        (*users, space, 2 * MOST),
    )
    return [Line(*row) for row in rows]


def forget(connection: sqlite3.Connection, user: str) -> None:
    """Erase what a pseudonym wrote."""
    connection.execute("DELETE FROM written WHERE user = ?", (user,))


def forget_before(connection: sqlite3.Connection, timestamp: int) -> None:
    """Forget what was written before a time (µs)."""
    connection.execute("DELETE FROM written WHERE timestamp < ?", (timestamp,))


def written_by(user: str, current: "InService", state: "People", reading: "Reading") -> list[Wrote]:
    """Return what the person that a user is wrote lately, oldest first.

    What is taken back is so with all that says the same: `/search` and the client tell of one
    search by two names.

    Args:
        user: Pseudonym.
        current: The release in service.
        state: Live events.
        reading: Of this worker: what is not in `state` yet.
    """
    texts = current.release.texts
    if not texts.space:
        return []
    users = state.ids_of(user)
    undone = [one for one in state.said_by(users) if one.event == "undo"]
    lines = {line.event_id: line for line in reading.not_written(users, texts.space)}
    lines |= {line.event_id: line for line in state.newest_written(users, texts.space)}
    back = {line: said for line in lines.values() if (said := _taken_back(line, undone))}
    twins = [(_wrote(line), said.timestamp) for line, said in back.items()]
    live = [_wrote(line) for line in lines.values() if line not in back]
    stored = [one for each in users for one in texts.of(each)]
    found: list[Wrote] = []
    for one in sorted([*live, *stored], key=lambda wrote: -wrote.timestamp):
        if any(one.timestamp <= until and _is_twin(one, twin) for twin, until in twins):
            continue
        if len(found) < NEWEST and not any(_told_twice(one, other) for other in found):
            found.append(one)
    return found[::-1]


def _blob(vector: NDArray[np.float32]) -> bytes:
    return vector.astype(np.float16).tobytes()


def _wrote(line: Line) -> Wrote:
    vector = np.frombuffer(line.vector, dtype=np.float16).astype(np.float32)
    return Wrote(CODES[line.event], line.timestamp, vector)


def _taken_back(line: Line, undone: Sequence[Said]) -> Said | None:
    """Return the newest undo of a text; None where there is none."""
    named = (line.event_id, line.event, line.video_id, line.timestamp)
    found = [one for one in undone if one.takes_back(*named)]
    return max(found, key=lambda one: one.timestamp, default=None)


def _told_twice(one: Wrote, other: Wrote) -> bool:
    near = one.kind == other.kind and abs(other.timestamp - one.timestamp) < WITHIN_US
    return near and float(one.vector @ other.vector) > SAME


def _is_twin(one: Wrote, taken_back: Wrote) -> bool:
    """Whether a text is another name of one that was taken back; a comment is of its video."""
    same = one.kind == CODES["search"] or one.timestamp == taken_back.timestamp
    return same and _told_twice(one, taken_back)
