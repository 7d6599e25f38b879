"""What people said about events and themselves: taken back, not interested, reported, that was me.

Kept beside the live events (serving/state.py), in the same file and the same transaction, and not
forgotten with them: who wanted no more of a creator has said so for good, until it is undone.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import orjson

from kinoloop.data.evidence import root_of
from kinoloop.schema import DAY_US
from serving.live_event import LiveEvent, Parcel

REFUSALS = ("not_interested", "report")
"""Who says so of a video sees it no more."""

SAYINGS = ("undo", *REFUSALS)

SCHEMA = """
CREATE TABLE IF NOT EXISTS said (
  event_id TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  event TEXT NOT NULL,
  video_id TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  undoes TEXT,
  creator_id TEXT,
  label TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS said_by_user ON said (user);
CREATE TABLE IF NOT EXISTS links (
  user TEXT PRIMARY KEY,
  person TEXT NOT NULL,
  timestamp INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_person ON links (person);
"""
MAX_LINKS = 100
"""Ids of one person that are followed; a chain is never longer."""


class Said(NamedTuple):
    """One thing that somebody said.

    Attributes:
        event_id: Of the saying.
        user: Pseudonym.
        event: `undo`, `not_interested` or `report`.
        video_id: External id; empty where it names none.
        timestamp: µs since the epoch, UTC.
        undoes: Kind (with a video, creator or label) or id of what an undo takes back.
        creator_id: Whom it is about.
        label: What it is about.
    """

    event_id: str
    user: str
    event: str
    video_id: str
    timestamp: int
    undoes: str | None = None
    creator_id: str | None = None
    label: str | None = None

    def takes_back(self, event_id: str, event: str, video_id: str, timestamp: int) -> bool:
        """Whether this is an undo of an event of the same user.

        Args:
            event_id: As live state names it: the client's own, with the day, as a hash.
            event: Its kind.
            video_id: External id.
            timestamp: µs.
        """
        if self.event != "undo" or timestamp > self.timestamp:
            return False
        if self.video_id:
            return (video_id, event) == (self.video_id, self.undoes)
        return event_id in {self.undoes, live_id(self.undoes or "", timestamp)}

    def takes_back_saying(self, other: "Said") -> bool:
        """Whether this is an undo of another saying of the same person."""
        if self.event == "undo" and (self.creator_id or self.label):
            return (
                other.timestamp <= self.timestamp
                and (other.event, other.creator_id, other.label)
                == (self.undoes, self.creator_id, self.label)
            )  # fmt: skip
        return self.takes_back(other.event_id, other.event, other.video_id, other.timestamp)


def live_id(given: str, timestamp: int) -> str:
    """Name an event here that its client gave an id; the id counts for one day."""
    return hashed(given, timestamp // DAY_US)


def hashed(*identity: object) -> str:
    """Name an event by what makes it the same one."""
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:32]


def said(event: LiveEvent, parcel: Parcel) -> Said:
    """Return what an event says."""
    of_video = event.event == "report"  # and of nothing else, whatever it names beside
    about = (parcel.undoes, *((None, None) if of_video else (parcel.creator_id, parcel.label)))
    return Said(event.event_id, event.user, event.event, event.video_id, event.timestamp, *about)


def keep(connection: sqlite3.Connection, said: Said) -> None:
    """Remember a saying, once."""
    connection.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?, ?, ?, ?, ?)", said)


def said_by(connection: sqlite3.Connection, users: Sequence[str]) -> list[Said]:
    """All that the ids of a person said, in no order."""
    marks = ", ".join("?" * len(users))
    rows = connection.execute(f"SELECT * FROM said WHERE user IN ({marks})", tuple(users))  # noqa: S608
    return [Said(*row) for row in rows]


def link(connection: sqlite3.Connection, user: str, person: str, timestamp: int) -> None:
    """Say that an id is a person; the newest word counts, and nobody is linked to themselves."""
    if user == person:
        return
    connection.execute(
        "INSERT INTO links VALUES (?, ?, ?) ON CONFLICT (user) DO UPDATE SET"
        " person = excluded.person, timestamp = excluded.timestamp"
        " WHERE excluded.timestamp >= timestamp",
        (user, person, timestamp),
    )


def linked(connection: sqlite3.Connection, users: Collection[str]) -> list[str]:
    """Which of many pseudonyms are ids of somebody who has another; the rest are their own."""
    rows = connection.execute(
        "SELECT user FROM links WHERE user IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(users)).decode(),),
    )
    return [row[0] for row in rows]


def ids_of(connection: sqlite3.Connection, user: str) -> list[str]:
    """All pseudonyms of the person that a pseudonym is: the person's own first."""
    linked = "SELECT 1 FROM links WHERE user = ?1 OR person = ?1 LIMIT 1"
    if connection.execute(linked, (user,)).fetchone() is None:
        return [user]  # as most people are: one question and not two

    def person_of(one: str) -> str | None:
        row = connection.execute("SELECT person FROM links WHERE user = ?", (one,)).fetchone()
        return None if row is None else str(row[0])

    def newest_of(person: str) -> list[str]:
        rows = connection.execute(
            "SELECT user FROM links WHERE person = ? ORDER BY timestamp DESC", (person,)
        )
        return [row[0] for row in rows]

    return person_ids(user, person_of, newest_of)


def person_ids(
    user: str, person_of: Callable[[str], str | None], newest_of: Callable[[str], Sequence[str]]
) -> list[str]:
    """Follow links from an id to the person and from there to all ids: the person's own first.

    Args:
        user: Pseudonym.
        person_of: Whom an id is said to be; None where nobody says anything.
        newest_of: Ids that are said to be a person, newest first.
    """
    person = root_of(user, person_of)
    found, left = [person], [person]
    while left and len(found) < MAX_LINKS:
        fresh = [one for one in newest_of(left.pop()) if one not in found]
        found.extend(fresh)
        left.extend(fresh)
    return found[:MAX_LINKS]


def forget(connection: sqlite3.Connection, user: str) -> None:
    """Erase what a pseudonym said and was said to be."""
    connection.execute("DELETE FROM said WHERE user = ?", (user,))
    connection.execute("DELETE FROM links WHERE user = ? OR person = ?", (user, user))


def in_force(said: Collection[Said]) -> list[Said]:
    """Every `not_interested` and `report` that no undo takes back."""
    undone = [one for one in said if one.event == "undo"]
    return [
        one
        for one in said
        if one.event in REFUSALS and not any(u.takes_back_saying(one) for u in undone)
    ]
