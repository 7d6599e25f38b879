"""From events to histories: one interaction per user and video, by `kinoloop.data.interest`.

Polars reads the Delta table lazily in two streamed passes (who are the users; what did they do), so
that memory holds 25 bytes per interaction and no string per row.
"""

import logging
from datetime import datetime

import numpy as np
import polars as pl

from kinoloop.data.checksums import check
from kinoloop.data.durations import with_durations
from kinoloop.data.evidence import evidence
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import (
    IN_QUERY,
    NO_INTERACTION,
    Expressions,
    InterestConfig,
    Weighed,
    combine,
    weigh,
)
from kinoloop.data.rating_scale import found_in
from kinoloop.data.tables import Tables
from kinoloop.data.ties import name_keys, tie_keys

logger = logging.getLogger(__name__)


def load_histories(
    tables: Tables,
    ids: IdMap,
    config: InterestConfig,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Histories:
    """Read what users did with the videos of a catalogue.

    Args:
        tables: Tables `events`, `videos` and `media` (for durations) are read.
        ids: External ids of the catalogue; events of other videos are left out.
        config: How events weigh.
        since: Events before it are left out (UTC).
        until: Events at or after it are left out (UTC).

    Returns:
        One row per user who has an interaction, sorted by pseudonym; oldest first, ties as
        `kinoloop.data.ties` breaks them.

    Raises:
        DataError: A file of the tables is damaged.
    """
    check(tables, ("events", "videos", "media"))
    config = config.on_scale(found_in(tables.scan("events")))
    durations = with_durations(tables.scan("videos").select("video_id", "duration_s"), tables)
    return histories_of(_between(evidence(tables), since, until), durations, ids, config)


def histories_of(
    events: pl.LazyFrame, durations: pl.LazyFrame, ids: IdMap, config: InterestConfig
) -> Histories:
    """Turn events into histories, wherever they lie.

    Args:
        events: Columns `user_id`, `video_id`, `timestamp`, `event`, `watch_s` and `value`.
        durations: `video_id` and `duration_s`, null where unknown.
        ids: External ids of the catalogue; events of other videos are left out.
        config: How events weigh.

    Returns:
        As `load_histories`.
    """
    events = events.filter(~pl.col("event").is_in(NO_INTERACTION))
    users = events.select("user_id").unique().collect(engine="streaming").sort("user_id")
    users = users.with_row_index("user")
    interactions = (
        events.join(_videos(durations, ids), on="video_id")
        .join(users.lazy(), on="user_id")
        .select("user", "video", "timestamp", *_said(config))
        .group_by("user", "video")
        .agg(*_together())
        .collect(engine="streaming")
    )
    ties = tie_keys(
        name_keys(users["user_id"])[interactions["user"].to_numpy()],
        ids.keys[interactions["video"].to_numpy()],
        interactions["timestamp"].to_physical().to_numpy(),
    )
    interactions = interactions.with_columns(tie=ties).sort("user", "timestamp", "tie", "video")
    present, lengths = np.unique(interactions["user"].to_numpy(), return_counts=True)
    logger.info("%d interactions of %d users", len(interactions), len(present))
    return Histories(
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        videos=interactions["video"].to_numpy().astype(np.int32),
        weights=interactions["weight"].to_numpy().astype(np.float32),
        timestamps=interactions["timestamp"].to_physical().to_numpy().astype(np.int64),
        kinds=interactions["kind"].to_numpy().astype(np.uint8),
        watch_shares=interactions["watch_share"].fill_null(float("nan")).to_numpy(),
        user_ids=tuple(users["user_id"].gather(present)),
    )


def _between(events: pl.LazyFrame, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
    if since is not None:
        events = events.filter(pl.col("date") >= since.date(), pl.col("timestamp") >= since)
    if until is not None:
        events = events.filter(pl.col("date") <= until.date(), pl.col("timestamp") < until)
    return events


def _videos(durations: pl.LazyFrame, ids: IdMap) -> pl.LazyFrame:
    """Return internal index and duration by external id."""
    index = pl.LazyFrame(
        {"video_id": ids.ids, "video": np.arange(len(ids), dtype=np.int32)},
        schema={"video_id": pl.String, "video": pl.Int32},
    )
    return index.join(durations, on="video_id", how="left")


def _said(config: InterestConfig) -> list[pl.Expr]:
    """Select what each event says, in narrow types that save memory."""
    weighed = weigh(IN_QUERY, config, Expressions())
    return [
        weighed.watch_share.cast(pl.Float32).alias("watch_share"),
        weighed.signal.cast(pl.Float32).alias("signal"),
        weighed.kind_key.cast(pl.Int64).alias("kind_key"),
        weighed.word_key.cast(pl.Int64).alias("word_key"),
    ]


def _together() -> list[pl.Expr]:
    """Per user and video: one interaction."""
    columns = Weighed(*map(pl.col, Weighed._fields))
    found = combine(columns, pl.col("timestamp"), Expressions())
    return [
        found.timestamp.alias("timestamp"),
        found.weight.alias("weight"),
        found.kind.cast(pl.UInt8).alias("kind"),
        found.watch_share.alias("watch_share"),
    ]
