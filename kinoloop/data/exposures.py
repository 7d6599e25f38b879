"""What was shown to whom, and what came of it: the data that a ranker learns from.

An exposure is one user with one video on one day (UTC): the impression, and all events that
followed; those that name the request of the answer belong to its day, whenever they came. An
impression without a view is a row like any other: it is the negative that no sampling can replace.
Where a source records no impressions, an event stands for its own exposure and `shown` is False.
"""

import logging
from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.checksums import check
from kinoloop.data.evidence import evidence
from kinoloop.data.ids import IdMap
from kinoloop.data.situations import COLUMNS, Situation, logged_situation
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS

logger = logging.getLogger(__name__)

NO_EXPOSURE = ("search", "undo", "identify")
OTHER_ANSWERS = ("search", "similar")  # surfaces of what was asked for, not recommended


@dataclass(frozen=True)
class Exposures:
    """One row per exposure, oldest first.

    Attributes:
        users: (n,) int32, index into `user_ids`.
        videos: (n,) int32, internal indices.
        timestamps: (n,) int64, µs since the epoch, UTC, of the first event.
        shown: (n,) bool, whether an impression was recorded.
        kinds: (n,) int64, bit k is set where event kind k of `schema.EVENT_KINDS` happened.
        watch_s: (n,) float32 seconds watched, the longest view; NaN where none or unknown.
        ratings: (n,) float32, the last rating; NaN where none.
        situations: (n,) int32, index into `facts`.
        user_ids: Pseudonyms, sorted.
        facts: The different situations (kinoloop/data/situations.py), in no order.
    """

    users: NDArray[np.int32]
    videos: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    shown: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    watch_s: NDArray[np.float32]
    ratings: NDArray[np.float32]
    situations: NDArray[np.int32]
    user_ids: tuple[str, ...]
    facts: tuple[Situation, ...]

    def __len__(self) -> int:
        return len(self.users)

    def select(self, picked: NDArray[np.bool_] | NDArray[np.integer]) -> "Exposures":
        """Keep some rows, in the given order."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        rows = {k: v[picked] for k, v in columns.items() if isinstance(v, np.ndarray)}
        return Exposures(**{**columns, **rows})

    def happened(self, *kinds: str) -> NDArray[np.bool_]:
        """(n,) whether an event of one of these kinds happened."""
        bits = sum(1 << EVENT_KINDS.index(kind) for kind in set(kinds))
        return (self.kinds & bits) > 0

    def first_situations(self, since: int, until: int) -> dict[str, Situation]:
        """By pseudonym, in which situation something was first shown in a time, ends included.

        It is known before anything is watched, as in service; whether it was watched plays no part.
        """
        recommended = np.array(
            [fact.get("surface") not in OTHER_ANSWERS for fact in self.facts], dtype=np.bool_
        )
        inside = self.shown & (self.timestamps >= since) & (self.timestamps <= until)
        at = np.flatnonzero(inside & recommended[self.situations])
        users, first = np.unique(self.users[at], return_index=True)
        codes = self.situations[at[first]].tolist()
        return {
            self.user_ids[user]: self.facts[code]
            for user, code in zip(users.tolist(), codes, strict=True)
        }


def load_exposures(tables: Tables, ids: IdMap) -> Exposures:
    """Read all exposures of a catalogue's videos.

    Args:
        tables: Table `events` is read, streamed.
        ids: External ids of the catalogue; events of other videos are left out.

    Returns:
        Sorted by (timestamp, pseudonym, video).

    Raises:
        DataError: A file of the table is damaged.
    """
    check(tables, ("events",))
    index = pl.LazyFrame(
        {"video_id": ids.ids, "video": np.arange(len(ids), dtype=np.int32)},
        schema={"video_id": pl.String, "video": pl.Int32},
    )
    event, shown = pl.col("event"), pl.col("event") == "impression"
    kind = event.replace_strict(EVENT_KINDS, range(len(EVENT_KINDS)), return_dtype=pl.Int64)
    frame = (
        _answered(evidence(tables).filter(~event.is_in(NO_EXPOSURE)))
        .filter(pl.col("user_id").is_not_null())
        .join(index, on="video_id")
        .group_by("user_id", "video", pl.col("shown_at").dt.date().alias("day"))
        .agg(
            pl.col("timestamp").min(),
            shown.any().alias("shown"),
            pl.lit(2, pl.Int64).pow(kind.unique()).sum().cast(pl.Int64).alias("kinds"),
            pl.col("watch_s").max().cast(pl.Float32),
            # of rows that a table holds in any order, and reads in any
            _in_time("value").filter(_in_time("event") == "rating").last().alias("rating"),
            # an impression knows best where it was shown
            *(
                pl.col(c).sort_by(~shown, "timestamp", "event_id").drop_nulls().first()
                for c in COLUMNS
            ),
        )
        .with_columns(pl.col("rating").cast(pl.Float32))
        .collect(engine="streaming")
        .sort("timestamp", "user_id", "video")
    )
    user_ids = tuple(frame["user_id"].unique().sort())
    different = frame.select(COLUMNS).unique().sort(COLUMNS)
    logger.info(
        "%d exposures, %d of them impressions, of %d users",
        len(frame),
        int(frame["shown"].sum()),
        len(user_ids),
    )
    return Exposures(
        users=_codes(frame["user_id"], user_ids).astype(np.int32),
        videos=frame["video"].to_numpy().astype(np.int32),
        timestamps=frame["timestamp"].to_physical().to_numpy().astype(np.int64),
        shown=frame["shown"].to_numpy().astype(np.bool_),
        kinds=frame["kinds"].to_numpy(),
        watch_s=frame["watch_s"].fill_null(float("nan")).to_numpy(),
        ratings=frame["rating"].fill_null(float("nan")).to_numpy(),
        situations=_rows_of(frame.select(COLUMNS), different),
        user_ids=user_ids,
        facts=tuple(logged_situation(*row) for row in different.iter_rows()),
    )


def _answered(events: pl.LazyFrame) -> pl.LazyFrame:
    """Join what followed an answer with what that answer showed, by `request_id`.

    Adds `shown_at`: of an event that names its request the time of the impression, however late
    the event is; else its own. An impression without a user is that of whoever answers it.
    """
    own = pl.col("timestamp")
    named = events.filter(pl.col("request_id").is_not_null())
    if named.select("request_id").head(1).collect().is_empty():
        return events.with_columns(own.alias("shown_at"))
    shown = named.filter(pl.col("event") == "impression")
    shown = shown.group_by("request_id", "video_id").agg(own.min().alias("shown_at"))
    owners = named.group_by("request_id").agg(pl.col("user_id").min().alias("owner"))
    return (
        events.join(shown, on=("request_id", "video_id"), how="left")
        .join(owners, on="request_id", how="left")
        .with_columns(pl.coalesce("user_id", "owner").alias("user_id"))
        .with_columns(pl.coalesce("shown_at", own).alias("shown_at"))
    )


def _in_time(name: str) -> pl.Expr:
    """Order a column of a group by time, oldest first."""
    return pl.col(name).sort_by("timestamp", "event_id")


def _rows_of(frame: pl.DataFrame, different: pl.DataFrame) -> NDArray[np.int32]:
    """Row of `different` that each row of `frame` equals."""
    numbered = different.with_row_index("row")
    joined = frame.join(numbered, on=COLUMNS, how="left", nulls_equal=True, maintain_order="left")
    return joined["row"].to_numpy().astype(np.int32)


def _codes(column: pl.Series, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Position of each value in `names`; −1 where null."""
    codes = pl.DataFrame(
        {"name": list(names), "code": range(len(names))},
        schema={"name": pl.String, "code": pl.Int64},
    )
    joined = (
        column.cast(pl.String)
        .to_frame("name")
        .join(codes, on="name", how="left", maintain_order="left")
    )
    return joined["code"].fill_null(-1).to_numpy()
