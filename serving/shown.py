"""How often a person was shown a video, in the file of the live state: what makes it cool down.

For caps it is counted by the hour, too; what everybody was shown has the user `ALL`.

Written once per second for all answers together, so it lags by about that; a loss of some counts
changes nothing that matters.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import orjson

SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  times INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (user, video_id)
) WITHOUT ROWID;
DROP INDEX IF EXISTS shown_by_time;
CREATE TABLE IF NOT EXISTS shown_hourly (
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  hour INTEGER NOT NULL,
  times INTEGER NOT NULL,
  PRIMARY KEY (user, video_id, hour)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_hourly_by_hour ON shown_hourly (hour);
"""

FORGOTTEN_AT_ONCE = 10_000


def remember(
    connection: sqlite3.Connection, places: Iterable[tuple[str, str, int]], *, within: int
) -> None:
    """Count what was shown.

    Args:
        connection: In a transaction.
        places: Pseudonym, video and time in µs of each.
        within: A video that was not shown for so long, µs, starts over.
    """
    connection.execute(  # one statement: each row of many takes the GIL, and stops a request for it
        "INSERT INTO shown SELECT value ->> 0, value ->> 1, 1, value ->> 2 FROM json_each(?)"
        " WHERE true ON CONFLICT DO UPDATE SET"
        " times = CASE WHEN excluded.last - last > ? THEN 1 ELSE times + 1 END,"
        " last = max(last, excluded.last)",
        (orjson.dumps(list(places)).decode(), within),
    )


def forget_before(
    connection: sqlite3.Connection,
    transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
    before: int,
) -> None:
    """Forget what was last shown before a time (µs); others may write in between.

    There is no index by time: keeping one cost each shown place twice the rest of it, and this goes
    through the table once per hour, beside the requests.

    Args:
        connection: To read by.
        transaction: Begins one, to write in.
        before: The time.
    """
    after = ("", "")
    while old := connection.execute(
        "SELECT user, video_id FROM shown WHERE (user, video_id) > (?, ?) AND last < ?"
        " ORDER BY user, video_id LIMIT ?",
        (*after, before, FORGOTTEN_AT_ONCE),
    ).fetchall():
        with transaction() as writing:  # what was shown again since stays
            writing.executemany(
                "DELETE FROM shown WHERE user = ? AND video_id = ? AND last < ?",
                [(*entry, before) for entry in old],
            )
        after = old[-1]


def often(connection: sqlite3.Connection, user: str, *, times: int, since: int) -> list[str]:
    """Videos that somebody was shown at least `times`, and last after `since` (µs)."""
    (found,) = connection.execute(  # one row: each gives the GIL away and waits to have it back
        "SELECT json_group_array(video_id) FROM shown WHERE user = ? AND times >= ? AND last >= ?",
        (user, times, since),
    ).fetchone()
    videos: list[str] = orjson.loads(found)
    return videos


ALL = ""
"""In place of a pseudonym: everybody together."""


def count_hourly(
    connection: sqlite3.Connection, counts: Iterable[tuple[str, str, int, int]]
) -> None:
    """Add counts, in a transaction: user, video, hour since the epoch, how often."""
    connection.execute(
        "INSERT INTO shown_hourly"
        " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)"
        " WHERE true ON CONFLICT DO UPDATE SET times = times + excluded.times",
        (orjson.dumps(list(counts)).decode(),),
    )


def reached(connection: sqlite3.Connection, user: str, *, times: int, since_hour: int) -> list[str]:
    """Videos that a user, or `ALL`, was shown at least `times` since an hour."""
    rows = connection.execute(
        "SELECT video_id FROM shown_hourly WHERE user = ? AND hour >= ?"
        " GROUP BY video_id HAVING sum(times) >= ?",
        (user, since_hour, times),
    )
    return [row[0] for row in rows]


def forget_hours(connection: sqlite3.Connection, *, before: int, of_all: bool) -> None:
    """Forget counts of before an hour, in a transaction: those of `ALL`, or of all users."""
    sign = "=" if of_all else "!="
    connection.execute(f"DELETE FROM shown_hourly WHERE hour < ? AND user {sign} ''", (before,))  # noqa: S608


def forget(connection: sqlite3.Connection, user: str) -> None:
    """Erase what a pseudonym was shown, in a transaction."""
    connection.execute("DELETE FROM shown WHERE user = ?", (user,))
    connection.execute("DELETE FROM shown_hourly WHERE user = ?", (user,))
