"""KuaiRand: standard and random logs, basic video features, and histories without times.

Files are known by their columns, as CSV or Parquet:

- a log (`time_ms`, `is_click`, …): every row is an `impression`; a `view` with
  `watch_s = play_time_ms / 1000` where it was clicked or played; `like`, `comment`, `share`
  (is_forward) and `dislike` (is_hate) where the flag is set. `is_follow` and the profile columns
  have no kind of event and are not carried; `long_view` follows from watch time and duration;
- histories (`watch_seq`, `last_time_ms`): a `view` for each id, the newest at the user's
  `last_time_ms` and each older one an hour before the next: **made-up times, only the order is
  real**. They never reach 2022-04-25, where the logs begin. A `like` lies a second after the last
  view of its video, or before all views where the history is too short to have one;
- video features (`video_id`, `author_id`, `video_duration`): the basic columns only. The `*_cnt`
  and `*_user_num` columns are statistics of the whole period: using them leaks the future.

What the source has wrong stays wrong: duplicated rows, durations of zero, dates and hours that
disagree with `time_ms`. The log's own duration, date and hour ride on the impression, for checks.

Source: https://kuairand.com, CIKM 2022, doi 10.1145/3511808.3557624.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import polars as pl

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.base import (
    IMPORTERS,
    Landing,
    as_number,
    as_time,
    spaced_times,
    whole_rows,
)
from kinoloop.ingestion.reading import format_of, read_columns

logger = logging.getLogger(__name__)

LOG = {"user_id", "video_id", "time_ms", "is_click", "play_time_ms", "duration_ms"}
HISTORY = {"user_id", "watch_seq"}
FEATURES = {"video_id", "author_id", "video_duration"}
EXTRA_FEATURES = (
    "video_type",
    "upload_type",
    "visible_status",
    "server_width",
    "server_height",
    "music_id",
    "music_type",
)
FLAGS = {
    "is_like": "like",
    "is_comment": "comment",
    "is_forward": "share",
    "is_hate": "dislike",
}
UTC_OFFSET_H = 8.0
LOGS_BEGIN = datetime(2022, 4, 24, 15, 0, tzinfo=UTC)  # the earliest time_ms of 2022-04-25 logs
STEP_S = 3600


@IMPORTERS.register("kuairand")
def import_kuairand(source: Path, landing: Landing) -> None:
    """Import every log, history and feature file in `source`.

    Raises:
        DataError: There is no log or no video features.
    """
    kinds = _sorted_out(source)
    if not kinds["log"] or not kinds["features"]:
        missing, columns = ("video features", FEATURES) if kinds["log"] else ("a log", LOG)
        raise DataError(
            f"{source} does not look like kuairand: {missing} is missing, a CSV or Parquet file "
            f"with the columns {', '.join(sorted(columns))}. Name the unpacked folder."
        )
    features = min(kinds["features"], key=lambda path: (len(_columns(path)), path.name))
    for frame in whole_rows(features):
        landing.write("videos", _videos(frame))
    for path in kinds["history"]:
        for frame in whole_rows(path):
            landing.write("events", _history(frame))
    for path in kinds["log"]:
        for frame in whole_rows(path):
            landing.write("events", _log(frame))


def _sorted_out(source: Path) -> dict[str, list[Path]]:
    kinds: dict[str, list[Path]] = {"log": [], "history": [], "features": []}
    for path in sorted(source.rglob("*")):
        if not path.is_file() or format_of(path.name) not in {"csv", "parquet"}:
            continue
        columns = set(_columns(path))
        for kind, needed in (("log", LOG), ("history", HISTORY), ("features", FEATURES)):
            if needed <= columns:
                kinds[kind].append(path)
                break
        else:
            logger.info("%s is not read: no log, history or basic video features", path.name)
    return kinds


def _columns(path: Path) -> list[str]:
    return read_columns(fsspec.filesystem("file"), str(path))


def _videos(frame: pl.DataFrame) -> pl.DataFrame:
    """KuaiRand has no titles; its tags are numbers."""
    columns = frame.columns
    tags = pl.when(pl.col("tag") != "unknown").then(pl.col("tag").str.split(","))
    day = pl.col("upload_dt").cast(pl.String)
    given = {
        "tags": tags if "tag" in columns else pl.lit(None, pl.List(pl.String)),
        "published_at": day + "T00:00:00+08:00" if "upload_dt" in columns else pl.lit(None),
    }
    return frame.select(
        pl.col("video_id").cast(pl.String),
        pl.lit(None, pl.String).alias("title"),
        pl.col("author_id").cast(pl.String).alias("creator_id"),
        as_number(frame["video_duration"], divisor=1000.0).alias("duration_s"),
        *[expression.alias(name) for name, expression in given.items()],
        *[name for name in EXTRA_FEATURES if name in columns],
    ).with_columns(category=pl.col("tags").list.first())


def _log(frame: pl.DataFrame) -> pl.DataFrame:
    """Up to six events per log row."""
    columns = frame.columns
    shared = pl.DataFrame(
        [
            frame["user_id"].cast(pl.String),
            frame["video_id"].cast(pl.String),
            as_time(frame["time_ms"], "ms").alias("timestamp"),
        ]
    ).with_columns(
        surface=pl.lit("tab ") + frame["tab"].cast(pl.String) if "tab" in columns else None
    )
    known_bad = ~_positive(frame["duration_ms"])  # stated once, on the impression
    parts = [
        shared.with_columns(event=pl.lit("impression"), **_stated(frame)),
        shared.with_columns(
            as_number(frame["play_time_ms"], divisor=1000.0).alias("watch_s"),
            as_number(frame["duration_ms"], divisor=1000.0)
            .set(known_bad, None)
            .alias("duration_s"),
            event=pl.lit("view"),
        ).filter(_set(frame, "is_click") | _positive(frame["play_time_ms"])),
    ]
    parts += [
        shared.filter(_set(frame, flag)).with_columns(event=pl.lit(event))
        for flag, event in FLAGS.items()
        if flag in columns
    ]
    return pl.concat(parts, how="diagonal_relaxed")


def _stated(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Return what the log itself says of duration, day and hour, in China's time."""
    stated = {"duration_s": as_number(frame["duration_ms"], divisor=1000.0)}
    if {"date", "hourmin"} <= set(frame.columns):
        day = frame["date"].cast(pl.String)
        stated["logged_date"] = day.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "${1}-${2}-${3}")
        stated["logged_hour"] = as_number(frame["hourmin"], divisor=100.0)
        if stated["logged_hour"].dtype.is_float():
            stated["logged_hour"] = stated["logged_hour"].floor()
        stated["utc_offset_h"] = pl.Series([UTC_OFFSET_H]).new_from_index(0, frame.height)
    return stated


def _set(frame: pl.DataFrame, flag: str) -> pl.Series:
    return (frame[flag].cast(pl.String).str.strip_chars() == "1").fill_null(value=False)


def _positive(column: pl.Series) -> pl.Series:
    return (column.cast(pl.Float64, strict=False) > 0).fill_null(value=False)


def _history(frame: pl.DataFrame) -> pl.DataFrame:
    """Make views and likes of histories that have an order and no times."""
    if "last_time_ms" in frame.columns:
        last = as_time(frame["last_time_ms"], "ms")
    else:
        last = pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)
    users = frame.select(
        pl.col("user_id").cast(pl.String),
        last.alias("last"),
        views=_ids(frame, "watch_seq"),
        likes=_ids(frame, "like_seq"),
    )
    views = _ordered(users, "views", pl.lit(0))
    likes = _ordered(users, "likes", pl.col("views").list.len()).with_row_index("like")
    seen = views.select("user_id", "video_id", seen="timestamp")
    likes = (
        likes.join(seen, on=["user_id", "video_id"], how="left")
        .group_by("like", maintain_order=True)
        .agg(pl.col("user_id", "video_id", "timestamp").first(), pl.col("seen").max())
    )
    after = pl.col("seen") + pl.duration(seconds=1)
    likes = likes.with_columns(timestamp=pl.coalesce(after, "timestamp"))
    return pl.concat(
        [
            views.with_columns(event=pl.lit("view")),
            likes.select("user_id", "video_id", "timestamp", event=pl.lit("like")),
        ]
    )


def _ids(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Ids as lists of text: a list column, or text such as `[1, 2]` or `1,2`."""
    if column not in frame.columns:
        return pl.lit([], pl.List(pl.String))
    if isinstance(frame.schema[column], pl.List):
        return pl.col(column).cast(pl.List(pl.String))
    return pl.col(column).str.extract_all(r"[^\[\],\s]+")


def _ordered(users: pl.DataFrame, column: str, older: pl.Expr) -> pl.DataFrame:
    """One row per id; the last one lies `older` steps before the user's end."""
    listed = users.with_columns(
        steps=pl.int_ranges(0, pl.col(column).list.len()).list.reverse(), older=older
    )
    rows = listed.filter(pl.col(column).list.len() > 0).explode(column, "steps")
    return rows.select(
        "user_id",
        video_id=column,
        timestamp=spaced_times(
            LOGS_BEGIN, pl.col("last"), pl.col("steps") + pl.col("older"), step_s=STEP_S
        ),
    )
