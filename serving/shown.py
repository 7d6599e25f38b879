"""How often a person was shown a video, in the file of the live state: what makes it cool down.

Written once per second for all answers together, so it lags by about that; a loss of some counts
changes nothing that matters.
"""

import sqlite3
from collections.abc import Iterable

SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
  user TEXT NOT NULL,
  video_id TEXT NOT NULL,
  times INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (user, video_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_by_time ON shown (last);
"""


def remember(
    connection: sqlite3.Connection, places: Iterable[tuple[str, str, int]], *, within: int
) -> None:
    """Count what was shown.

    Args:
        connection: In a transaction.
        places: Pseudonym, video and time in µs of each.
        within: A video that was not shown for so long, µs, starts over.
    """
    connection.executemany(
        "INSERT INTO shown VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET"
        " times = CASE WHEN excluded.last - last > ? THEN 1 ELSE times + 1 END,"
        " last = max(last, excluded.last)",
        [(*place, within) for place in places],
    )


def often(connection: sqlite3.Connection, user: str, *, times: int, since: int) -> list[str]:
    """Videos that somebody was shown at least `times`, and last after `since` (µs)."""
    rows = connection.execute(
        "SELECT video_id FROM shown WHERE user = ? AND times >= ? AND last >= ?",
        (user, times, since),
    )
    return [row[0] for row in rows]
