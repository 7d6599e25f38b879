"""MicroLens: pairs, titles and, where present, `videos/<id>.mp4`.

Interactions of MicroLens are public comments, so they become events `comment`. Releases with
`*_pairs.csv` (`user,item,timestamp`, MicroLens-100k and larger) have real times, and those are
used. Where only `*_pairs.tsv` is there (each user's videos in order, MicroLens-50k) there are **no
times**: the order is kept by made-up ones. A user's newest comment lies at 2023-09-01 00:00 UTC and
each older one an hour before the next. Only the order within one user means anything then; evaluate
with leave-one-out, not with a temporal split.

Source: https://github.com/westlake-repl/MicroLens, arXiv 2309.15379.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.base import (
    IMPORTERS,
    Landing,
    as_time,
    delimited,
    spaced_times,
    whole_rows,
)

logger = logging.getLogger(__name__)

NEWEST = datetime(2023, 9, 1, tzinfo=UTC)
STEP_S = 3600
TITLES = ("*_title_en.csv", "*_titles.csv", "*_title.csv")
"""English ones first, where a release has two languages."""


@IMPORTERS.register("microlens")
def import_microlens(source: Path, landing: Landing) -> None:
    """Import a MicroLens folder.

    Raises:
        DataError: There are no pairs or no titles, two of a kind, or they have another shape.
    """
    pairs, titles = _first(source, ("*_pairs.csv", "*_pairs.tsv")), _first(source, TITLES)
    clips = {path.stem: str(path.resolve()) for path in (source / "videos").glob("*.mp4")}
    for frame in whole_rows(titles):
        _require(titles, frame, "item", "title")
        landing.write(
            "videos",
            frame.select(
                "title",
                video_id="item",
                media=pl.col("item").replace_strict(clips, default=None, return_dtype=pl.String),
            ),
        )
    if pairs.suffix == ".csv":
        for frame in whole_rows(pairs):
            _require(pairs, frame, "user", "item", "timestamp")
            landing.write("events", _timed(frame))
    else:
        logger.warning("%s has no times; they are made up, only the order is real", pairs.name)
        for users in delimited(pairs, "\t", ("user_id", "videos")):
            landing.write("events", _ordered(users))


def _timed(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        pl.col("user").alias("user_id"),
        pl.col("item").alias("video_id"),
        as_time(pairs["timestamp"], None),
        event=pl.lit("comment"),
    )


def _ordered(users: pl.DataFrame) -> pl.DataFrame:
    """One row per comment; of n comments, comment i lies n - 1 - i steps before the newest."""
    listed = users.with_columns(video_id=pl.col("videos").str.split(" ")).with_columns(
        steps=pl.int_ranges(0, pl.col("video_id").list.len().fill_null(1)).list.reverse()
    )
    listed = listed.with_columns(pl.col("video_id").fill_null([None]))
    events = listed.select("user_id", "video_id", "steps").explode("video_id", "steps")
    return events.select(
        "user_id",
        "video_id",
        timestamp=spaced_times(
            NEWEST, pl.lit(None, pl.Datetime("us", "UTC")), pl.col("steps"), step_s=STEP_S
        ),
        event=pl.lit("comment"),
    )


def _first(source: Path, patterns: tuple[str, ...]) -> Path:
    """Return the file of the first pattern that is there; raise where it has several."""
    for pattern in patterns:
        found = sorted(source.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise DataError(f"{source}: expected one {pattern}, found {names}; take the others out")
    raise DataError(
        f"{source} does not look like microlens: expected {' or '.join(patterns)}, found none. "
        "Name the unpacked folder."
    )


def _require(path: Path, frame: pl.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path} is not a CSV of {','.join(columns)}: it has no column {missing[0]!r}; "
            "correct the file, or fetch it again"
        )
