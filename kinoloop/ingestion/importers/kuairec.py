"""KuaiRec: the big and the small matrix of watches, and what is known of the videos.

Files below the folder, or below its `data/`:

- `big_matrix.csv` and `small_matrix.csv` (`user_id`, `video_id`, `play_duration`, `video_duration`,
  `timestamp`, …): every row is an event `view` with `watch_s = play_duration / 1000`; its `surface`
  is the name of the matrix. The small one is almost fully observed: each of its users was shown
  nearly every of its videos, which is what makes it a test bed. Rows without a time stand in it
  and arrive as they are: ingestion quarantines them by name.
- `item_daily_features.csv`: creator, day of upload, duration and kind. The `*_cnt` and `*_num`
  columns are statistics of each day: using them leaks the future.
- `kuairec_caption_category.csv`, where present: caption, cover text, topics and three levels of
  category. `UNKNOWN` stands for none and is none.

Source: https://kuairec.com, CIKM 2022, doi 10.1145/3511808.3557220.
"""

import logging
from pathlib import Path

import polars as pl

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.base import (
    IMPORTERS,
    Landing,
    as_number,
    as_time,
    require,
    whole_rows,
)

logger = logging.getLogger(__name__)

MATRICES = ("big_matrix", "small_matrix")
WATCH = ("user_id", "video_id", "play_duration", "video_duration", "timestamp")
FEATURES = "item_daily_features.csv"
WORDS = "kuairec_caption_category.csv"
LEVELS = ("first_level", "second_level", "third_level")
NONE = ("", "UNKNOWN", "[]", "NaN", "nan")
EXTRA = ("video_type", "upload_type", "visible_status", "music_id", "video_tag_name")


@IMPORTERS.register("kuairec")
def import_kuairec(source: Path, landing: Landing) -> None:
    """Import the matrices and the videos of KuaiRec.

    Raises:
        DataError: No matrix or no features are there, or they have other columns.
    """
    folder = source / "data" if (source / "data").is_dir() else source
    matrices = [path for name in MATRICES if (path := folder / f"{name}.csv").is_file()]
    if not matrices:
        require(folder, tuple(f"{name}.csv" for name in MATRICES), "kuairec")
    (features,) = require(folder, (FEATURES,), "kuairec")
    landing.write("videos", _videos(features, folder / WORDS))
    for path in matrices:
        for frame in whole_rows(path):
            _check(path, frame, *WATCH)
            landing.write("events", _views(frame, path.stem))


def _views(watches: pl.DataFrame, matrix: str) -> pl.DataFrame:
    return watches.select(
        "user_id",
        "video_id",
        as_time(watches["timestamp"], "s"),
        as_number(watches["play_duration"], divisor=1000.0).alias("watch_s"),
        as_number(watches["video_duration"], divisor=1000.0).alias("duration_s"),
        event=pl.lit("view"),
        surface=pl.lit(matrix),
    )


def _videos(features: Path, words: Path) -> pl.DataFrame:
    """One row per video: its first day, which has all that does not change."""
    days = []
    for frame in whole_rows(features):
        _check(features, frame, "video_id", "author_id")
        kept = ("video_id", "author_id", "upload_dt", "video_duration", *EXTRA)
        days.append(frame.select(name for name in kept if name in frame.columns))
    videos = pl.concat(days, how="diagonal").unique("video_id", keep="first", maintain_order=True)
    known = videos.columns
    videos = videos.with_columns(
        creator_id="author_id",
        duration_s=as_number(videos["video_duration"], divisor=1000.0)
        if "video_duration" in known
        else pl.lit(None, pl.Float64),
        published_at=pl.col("upload_dt") + "T00:00:00+08:00"
        if "upload_dt" in known
        else pl.lit(None, pl.String),
    ).drop(name for name in ("author_id", "video_duration", "upload_dt") if name in known)
    if not words.is_file():
        logger.warning("%s is missing: videos have no words", words.name)
        return videos.with_columns(title=pl.lit(None, pl.String))
    return videos.join(_words(words), on="video_id", how="left")


def _words(path: Path) -> pl.DataFrame:
    frames = []
    for frame in whole_rows(path):
        _check(path, frame, "video_id", "caption")
        levels = [f"{level}_category_name" for level in LEVELS]
        levels = [name for name in levels if name in frame.columns]
        topics = (
            [_given("topic_tag").str.extract_all(r"[^\[\],\s]+")]
            if "topic_tag" in frame.columns
            else []
        )
        tags = pl.concat_list(
            *topics, *(_given(name) for name in levels[1:]), pl.lit(None, pl.String)
        )
        tags = tags.list.drop_nulls().list.unique(maintain_order=True)
        frames.append(
            frame.select(
                "video_id",
                title=_given("caption"),
                description=_given("manual_cover_text")
                if "manual_cover_text" in frame.columns
                else pl.lit(None, pl.String),
                category=_given(levels[0]) if levels else pl.lit(None, pl.String),
                tags=pl.when(tags.list.len() > 0).then(tags),
            )
        )
    return pl.concat(frames).unique("video_id", keep="first", maintain_order=True)


def _given(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.is_in(NONE)).then(text)


def _check(path: Path, frame: pl.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; it is not a file of KuaiRec: "
            f"it has {', '.join(frame.columns[:12])}"
        )
