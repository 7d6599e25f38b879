"""From events to histories: how much interest each user showed in each video.

Many events of one user with one video become one interaction: it takes its place in the history
when the user first met the video, its weight is the strongest signal, and where the user said
something explicit more than once (liked, then disliked) the last word wins. Impressions and
searches say nothing about one video and are left out.

Polars reads the Delta table lazily in two streamed passes (who are the users; what did they do),
so that memory holds 25 bytes an interaction and no string a row.
"""

import logging
from datetime import datetime

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.data.checksums import check
from kinoloop.data.durations import with_durations
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.data.rating_scale import USUAL, found_in
from kinoloop.data.tables import Tables
from kinoloop.data.ties import name_keys, tie_keys
from kinoloop.schema import EVENT_KINDS
from kinoloop.settings import Config

logger = logging.getLogger(__name__)

NO_INTERACTION = ("impression", "search")
EXPLICIT = ("like", "dislike", "share", "save", "rating")


class InterestConfig(Config):
    """How events weigh; > 0 is interest, < 0 is dislike."""

    view: float = Field(1.0, gt=0, description="A video watched to its end, or unknown how far.")
    like: float = Field(2.0, gt=0, description="Twice a full view.")
    comment: float = Field(1.5, gt=0, description="Mostly interest, sometimes anger.")
    share: float = Field(2.0, gt=0, description="As a like.")
    save: float = Field(2.0, gt=0, description="As a like.")
    rating: float = Field(1.5, gt=0, description="A rating from `rating_liked_from` up.")
    dislike: float = Field(-2.0, lt=0, description="Also a rating below `rating_liked_from`.")
    skip: float = Field(-0.5, lt=0, description="Also a view below `min_watch_share`.")
    min_watch_share: float = Field(
        0.1, ge=0, le=1, description="Watched less than this share of the duration: a skip."
    )
    rating_liked_from: float | None = Field(
        None,
        description="Lowest rating that shows interest; None: from the middle of the scale that "
        "the ratings lie on; 0 counts each, as papers do.",
    )

    def on_scale(self, liked_from: float | None) -> "InterestConfig":
        """The same with the threshold filled in where the settings leave it to the data.

        Args:
            liked_from: What the data says; None where it has no ratings.
        """
        if self.rating_liked_from is not None:
            return self
        return self.model_copy(
            update={"rating_liked_from": USUAL if liked_from is None else liked_from}
        )


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
        One row a user who has an interaction, sorted by pseudonym; oldest first, ties as
        `kinoloop.data.ties` breaks them.

    Raises:
        DataError: A file of the tables is damaged.
    """
    check(tables, ("events", "videos", "media"))
    config = config.on_scale(found_in(tables.scan("events")))
    durations = with_durations(tables.scan("videos").select("video_id", "duration_s"), tables)
    return histories_of(_between(tables.scan("events"), since, until), durations, ids, config)


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
        .select("user", "video", "timestamp", *_signals(config))
        .group_by("user", "video")
        .agg(*_strongest())
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
    """Internal index and duration by external id."""
    index = pl.LazyFrame(
        {"video_id": ids.ids, "video": np.arange(len(ids), dtype=np.int32)},
        schema={"video_id": pl.String, "video": pl.Int32},
    )
    return index.join(durations, on="video_id", how="left")


def _signals(config: InterestConfig) -> list[pl.Expr]:
    """Per event: kind, watch share, signal, and the last-word key of an explicit event."""
    event = pl.col("event")
    share = pl.when(pl.col("duration_s") > 0).then(
        (pl.col("watch_s") / pl.col("duration_s")).clip(0, 1)
    )
    viewed = (
        pl.when(share < config.min_watch_share)
        .then(config.skip)
        .otherwise(config.view * (0.5 + 0.5 * share.fill_null(1.0)))
    )
    rated = (
        pl.when(pl.col("value") < pl.lit(config.rating_liked_from, pl.Float64))
        .then(config.dislike)
        .otherwise(config.rating)
    )
    signal = pl.when(event == "view").then(viewed).when(event == "rating").then(rated)
    for kind in ("like", "dislike", "comment", "share", "save", "skip"):
        signal = signal.when(event == kind).then(getattr(config, kind))
    kind_code = event.replace_strict(EVENT_KINDS, range(len(EVENT_KINDS)), return_dtype=pl.Int64)
    liked = (signal > 0).cast(pl.Int64)
    return [
        share.cast(pl.Float32).alias("watch_share"),
        signal.cast(pl.Float32).alias("signal"),
        # Sorts by strength, then by kind: its maximum carries the kind of the strongest event.
        ((signal.abs() * 1000).round().cast(pl.Int64) * 16 + kind_code).alias("kind_key"),
        # Sorts by time: its maximum carries what was said last.
        pl.when(event.is_in(EXPLICIT))
        .then(pl.col("timestamp").to_physical() * 2 + liked)
        .alias("word_key"),
    ]


def _strongest() -> list[pl.Expr]:
    """Per user and video: one interaction."""
    unloved = (pl.col("word_key").max() % 2 == 0).fill_null(value=False)
    highest, lowest = pl.col("signal").max(), pl.col("signal").min()
    return [
        pl.col("timestamp").min(),
        pl.when(unloved | (highest <= 0)).then(lowest).otherwise(highest).alias("weight"),
        (pl.col("kind_key").max() % 16).cast(pl.UInt8).alias("kind"),
        pl.col("watch_share").max(),
    ]
