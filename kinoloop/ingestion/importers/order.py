"""Whether the order of imported events can mean anything; looked at while they are written.

Two tables look like histories and are none: one in which all events of a user carry one moment
(when the table was written), and one in which a user's videos ascend or descend by id, which is how
a table is sorted and not how a person watches. A model that reads order learns such noise by heart.
Whole users are looked at, as many as fit into `MOST_EVENTS`.
"""

import polars as pl

from kinoloop.data.times import read_times

MOST_EVENTS = 200_000  # looked at: some 20 MB
FEW = 5  # events of a user, at least; five ids are in order by chance in one of sixty users
SHARE = 0.2  # of such users, from which on it is no chance


class Order:
    """Collects events of some users, and says what is odd about their order."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._events, self._one_in = 0, 1

    def look(self, events: pl.DataFrame) -> None:
        """Take the events of a shard whose users are looked at."""
        if not {"user_id", "video_id", "timestamp"} <= set(events.columns):
            return
        times = read_times(events["timestamp"])
        if times is None:
            return
        columns = pl.col("user_id", "video_id").cast(pl.String)
        part = self._kept(events.select(columns, times.alias("timestamp")).drop_nulls())
        self._parts.append(part)
        self._events += len(part)
        while self._events > MOST_EVENTS:
            self._one_in *= 2
            self._parts = [self._kept(pl.concat(self._parts))]
            self._events = len(self._parts[0])
            if self._one_in > MOST_EVENTS:  # one user has them all
                return

    def _kept(self, events: pl.DataFrame) -> pl.DataFrame:
        return events.filter(pl.col("user_id").hash(seed=0) % self._one_in == 0)

    def warnings(self) -> list[str]:
        """Tell what is odd, a sentence each; empty where the order may mean something."""
        if not self._parts:
            return []
        users = _users(pl.concat(self._parts))
        if not len(users):
            return []
        found = []
        same, sorted_by_id = users["same"].mean(), users["sorted"].mean()
        if isinstance(same, float) and same >= SHARE:
            found.append(
                f"all events of {same:.0%} of the users carry one and the same time: there is no "
                "order to learn from, nor days to split by; is `timestamp` when they watched?"
            )
        if isinstance(sorted_by_id, float) and sorted_by_id >= SHARE:
            found.append(
                f"the videos of {sorted_by_id:.0%} of the users ascend or descend by id over time: "
                "that is the order of a table and not of a person; are the times made up?"
            )
        return found


def _users(events: pl.DataFrame) -> pl.DataFrame:
    """One row per user with enough events: all at one time, and whether the ids are in order."""
    ids = events["video_id"].cast(pl.Int64, strict=False)
    if ids.null_count():  # names: by their rank
        ids = events["video_id"].rank("dense").cast(pl.Int64)
    step = pl.col("id").sort_by("timestamp").diff().drop_nulls()
    apart = pl.col("timestamp").n_unique() == pl.len()
    return (
        events.with_columns(ids.alias("id"))
        .unique(["user_id", "id"], keep="first")
        .group_by("user_id")
        .agg(
            same=pl.col("timestamp").n_unique() == 1,
            sorted=apart & ((step > 0).all() | (step < 0).all()),
            events=pl.len(),
        )
        .filter(pl.col("events") >= FEW)
    )
