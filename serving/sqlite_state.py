"""Live state of one machine: SQLite in WAL mode, shared by all its workers.

Why SQLite: an acknowledged event must survive the process and the power (`synchronous=FULL`, one
fsync per commit), every worker must see it in the very next request, and a platform on one machine
should need no further server. A read of one user costs about 20 µs beside writers, which WAL never
makes wait. The outbox is in the same file because an event and its export are one transaction.

An index over all but impressions and searches answers "which videos, since when".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from kinoloop.data.interest import NO_INTERACTION
from kinoloop.release.availability import Window
from serving import sayings, shown, sqlite_outbox, sqlite_videos, unread, written
from serving.live_event import LiveEvent, Parcel
from serving.sqlite_connections import SqliteConnections
from serving.sqlite_person import OnePerson
from serving.state import NOBODY, LiveState, People

_INTERACTION = f"event NOT IN ({', '.join(repr(kind) for kind in NO_INTERACTION)})"
_HISTORY = f"live INDEXED BY live_met WHERE user = ? AND {_INTERACTION}"
_SCHEMA = f"""
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
DROP INDEX IF EXISTS live_interactions;
CREATE INDEX IF NOT EXISTS live_met ON live (user, video_id, timestamp, event)
  WHERE {_INTERACTION};
CREATE INDEX IF NOT EXISTS live_by_time ON live (timestamp);
{sqlite_outbox.SCHEMA}{sqlite_videos.SCHEMA}
{sayings.SCHEMA}{shown.SCHEMA}{written.SCHEMA}{unread.SCHEMA}"""
_LATER = {"outbox": sqlite_outbox.LATER_COLUMNS, "first_slates": sqlite_videos.LATER_COLUMNS}


class SqliteState(SqliteConnections, LiveState):
    """The store; one object may be used from many threads, each gets its own connection.

    Args:
        path: The database file; its folder is made. Both are for this account only.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, _LATER)

    @override
    def record(
        self,
        events: Sequence[LiveEvent],
        parcels: Sequence[Parcel],
        persons: Mapping[str, str] = NOBODY,
        texts: Sequence[unread.Unread] = (),
    ) -> int:
        with self.transaction() as connection:
            new = [
                (event, parcel)
                for event, parcel in zip(events, parcels, strict=True)
                if connection.execute(
                    "INSERT OR IGNORE INTO live VALUES (?, ?, ?, ?, ?, ?, ?)", event
                ).rowcount
            ]
            for event, parcel in new:
                if event.event in sayings.SAYINGS:
                    sayings.keep(connection, sayings.said(event, parcel))
                elif event.event == "identify":
                    person = persons[parcel.person_id or ""]
                    sayings.link(connection, event.user, person, event.timestamp)
            sqlite_outbox.put(connection, new)
            unread.keep(connection, texts, of={event.event_id for event, _ in new})
        return len(new)

    @override
    def about(self, user: str) -> People:
        return OnePerson(self, user)

    @override
    def ids_of(self, user: str) -> list[str]:
        return sayings.ids_of(self.connection, user)

    @override
    def said_by(self, users: Sequence[str]) -> list[sayings.Said]:
        return sayings.said_by(self.connection, users)

    @override
    def videos_of(self, user: str) -> dict[str, int]:
        newest_first = self.connection.execute(
            f"SELECT video_id, timestamp FROM {_HISTORY} ORDER BY video_id DESC, timestamp DESC",  # noqa: S608
            (user,),
        )
        return dict(newest_first.fetchall())  # of one video the last row counts; 2 × GROUP BY

    @override
    def events_of(self, user: str, *, at_most: int) -> list[LiveEvent] | None:
        rows = self.connection.execute(
            f"SELECT * FROM {_HISTORY} LIMIT ?",  # noqa: S608
            (user, at_most + 1),
        ).fetchall()
        return None if len(rows) > at_most else [LiveEvent(*row) for row in rows]

    @override
    def events_with(self, user: str, video_ids: Sequence[str]) -> list[LiveEvent]:
        marks = ", ".join("?" * len(video_ids))
        rows = self.connection.execute(
            f"SELECT * FROM {_HISTORY} AND video_id IN ({marks})",  # noqa: S608
            (user, *video_ids),
        ).fetchall()
        return [LiveEvent(*row) for row in rows]

    @override
    def keep_written(self, lines: Sequence[written.Line]) -> None:
        with self.transaction() as connection:
            written.keep(connection, lines)
            unread.remove(connection, [line.event_id for line in lines])

    @override
    def newest_written(self, users: Sequence[str], space: str) -> list[written.Line]:
        return written.newest(self.connection, users, space)

    @override
    def unread_of(self, users: Sequence[str], space: str) -> list[unread.Unread]:
        return unread.of_users(self.connection, users, space)

    @override
    def unread_longest(self, space: str, *, at_most: int) -> list[unread.Unread]:
        return unread.longest_kept(self.connection, space, at_most=at_most)

    @override
    def unread_left_over(self, space: str) -> list[unread.Unread]:
        return unread.left_over(self.connection, space)

    @override
    def erase_unread(self, texts: Sequence[unread.Unread]) -> None:
        with self.transaction() as connection:
            unread.remove(connection, [text.event_id for text in texts])

    @override
    def remember_shown(self, places: Sequence[tuple[str, str, int]], *, within_s: float) -> None:
        users = {place[0] for place in places}
        persons = {user: self.ids_of(user)[0] for user in sayings.linked(self.connection, users)}
        named = [(persons.get(user, user), video, at) for user, video, at in places]
        with self.transaction() as connection:
            shown.remember(connection, named, within=round(within_s * 1e6))

    @override
    def shown_often(self, user: str, *, times: int, since: int) -> list[str]:
        return shown.often(self.connection, self.ids_of(user)[0], times=times, since=since)

    @override
    def count_hourly(self, counts: Iterable[tuple[str, str, int, int]]) -> None:
        with self.transaction() as connection:
            shown.count_hourly(connection, counts)

    @override
    def reached(self, user: str, *, times: int, since_hour: int) -> list[str]:
        return shown.reached(self.connection, user, times=times, since_hour=since_hour)

    @override
    def availability(self) -> dict[str, Window]:
        return sqlite_videos.availability(self.connection)

    @override
    def availability_version(self) -> int:
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    @override
    def say_availability(
        self, video_id: str, change: Callable[[Window | None], Window], *, at: int
    ) -> Window:
        with self.transaction() as connection:
            return sqlite_videos.say(connection, video_id, change, at=at)

    @override
    def settle_availability(self, agreed: Mapping[str, Window]) -> None:
        with self.transaction() as connection:
            sqlite_videos.settle(connection, agreed)

    @override
    def first_slate(self, video_id: str, at: int, seconds: float) -> bool:
        with self.transaction() as connection:
            return sqlite_videos.first_slate(connection, video_id, at, seconds)

    @override
    def newest_first_slates(self, at_most: int) -> list[float]:
        return sqlite_videos.newest_first_slates(self.connection, at_most)

    @override
    def pending(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    @override
    def claim(self, max_rows: int) -> str | None:
        with self.transaction() as connection:
            return sqlite_outbox.claim(connection, max_rows)

    @override
    def batch(self, name: str) -> list[dict[str, Any]]:
        return sqlite_outbox.rows_of(self.connection, name)

    @override
    def finish(self, name: str) -> None:
        with self.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE batch = ?", (name,))

    @override
    def forget_before(self, timestamp: int) -> int:
        with self.transaction() as connection:
            written.forget_before(connection, timestamp)
            unread.forget_before(connection, timestamp)
            return connection.execute(
                "DELETE FROM live WHERE timestamp < ? AND event_id NOT IN"
                " (SELECT event_id FROM outbox)",
                (timestamp,),
            ).rowcount

    @override
    def forget_shown(self, before: int) -> None:
        shown.forget_before(self.connection, self.transaction, before)

    @override
    def forget_hours(self, *, before: int, of_all: bool) -> None:
        with self.transaction() as connection:
            shown.forget_hours(connection, before=before, of_all=of_all)

    @override
    def forget_user(self, user: str) -> int:
        with self.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE user = ?", (user,))
            sayings.forget(connection, user)
            written.forget(connection, user)
            unread.forget(connection, user)
            shown.forget(connection, user)
            erased = connection.execute("DELETE FROM live WHERE user = ?", (user,)).rowcount
        self.wipe()
        return erased
