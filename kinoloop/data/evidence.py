"""Events as they count: under the person whom an id is, and without what was taken back.

Tables keep what happened as it came in. Two kinds of event say how others are to be read:
`identify` (this id is that person: a device, somebody before the login) and `undo` (an event by its
id, or all events of one kind with one video up to then). Whoever learns from events reads them
here, so that batch and service agree (serving/history.py does the same for live events).
"""

from collections.abc import Callable

import polars as pl

from kinoloop.data.tables import Tables

_READ = ("user_id", "video_id", "timestamp", "event", "undoes", "creator_id", "label", "person_id")


def evidence(tables: Tables) -> pl.LazyFrame:
    """Read the table `events` as it counts; its columns, and rows in any order."""
    events = tables.scan("events")
    said = events.filter(pl.col("event").is_in(("identify", "undo"))).select(_READ)
    sayings = said.collect(engine="streaming")
    if sayings.is_empty():
        return events
    identified = sayings.filter(pl.col("event") == "identify")
    people = persons(identified.select("user_id", "person_id", "timestamp"))
    events = _renamed(events, people)
    undone = _renamed(sayings.filter(pl.col("event") == "undo").lazy(), people)
    return _without(events, undone)


def root_of(user: str, person_of: Callable[[str], str | None]) -> str:
    """Follow links from an id to the person; of ids that are said to be each other, the least.

    Args:
        user: Where to start.
        person_of: Whom an id is said to be; None where nobody says anything.

    Examples:
        >>> root_of("tv", {"tv": "anna", "anna": "anna@home"}.get)
        'anna@home'
        >>> root_of("a", {"a": "b", "b": "a"}.get), root_of("b", {"a": "b", "b": "a"}.get)
        ('a', 'a')
    """
    path = [user]
    while (person := person_of(path[-1])) is not None:
        if person in path:
            return min(path[path.index(person) :])
        path.append(person)
    return path[-1]


def persons(identified: pl.DataFrame) -> dict[str, str]:
    """Whom each id is, where it is another; the newest word on an id counts.

    Args:
        identified: Columns `user_id`, `person_id` and `timestamp`.
    """
    newest = identified.drop_nulls().sort("timestamp", "person_id").unique("user_id", keep="last")
    links = {u: p for u, p in newest.select("user_id", "person_id").iter_rows() if u != p}
    return {user: root_of(user, links.get) for user in sorted({*links, *links.values()})}


def _renamed(events: pl.LazyFrame, people: dict[str, str]) -> pl.LazyFrame:
    if not people:
        return events
    return events.with_columns(pl.col("user_id").replace(people))


def _without(events: pl.LazyFrame, undone: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out what an undo of the same person takes back."""
    at = pl.col("timestamp").max().alias("undone_at")
    named = pl.col("video_id").is_not_null()
    of_pair = undone.filter(named).group_by("user_id", "video_id", event="undoes").agg(at)
    nowhere = pl.col("creator_id").is_null() & pl.col("label").is_null()
    of_id = undone.filter(~named & nowhere).group_by("user_id", event_id="undoes").agg(at)
    for keys, marks in (
        (["user_id", "video_id", "event"], of_pair),
        (["user_id", "event_id"], of_id),
    ):
        events = (
            events.join(marks, on=keys, how="left")
            .filter(
                (pl.col("undone_at").is_null() | (pl.col("timestamp") > pl.col("undone_at")))
                | (pl.col("event") == "undo")
            )
            .drop("undone_at")
        )
    return events
