"""MicroLens: pairs (`*_pairs.tsv`), titles (`*_titles.csv`) and, where present, `videos/<id>.mp4`.

Interactions of MicroLens are public comments, so they become events `comment`. The pairs file has
each user's videos in order but **no times**. The order is kept by made-up times: a user's newest
comment lies at 2023-09-01 00:00 UTC and each older one an hour before the next. Only the order
within one user means anything; evaluate with leave-one-out, not with a temporal split.

Source: https://github.com/westlake-repl/MicroLens, arXiv 2309.15379.
"""

from datetime import UTC, datetime
from pathlib import Path

import fsspec
import polars as pl

from kinoloop.data.importers.base import IMPORTERS, Landing, delimited, spaced_times
from kinoloop.data.reading import read_chunks
from kinoloop.errors import DataError

NEWEST = datetime(2023, 9, 1, tzinfo=UTC)
STEP_S = 3600


@IMPORTERS.register("microlens")
def import_microlens(source: Path, landing: Landing) -> None:
    """Import a MicroLens folder.

    Raises:
        DataError: There is no single `*_pairs.tsv` and `*_titles.csv`.
    """
    pairs, titles = _only(source, "*_pairs.tsv"), _only(source, "*_titles.csv")
    clips = {path.stem: str(path.resolve()) for path in (source / "videos").glob("*.mp4")}
    for chunk in read_chunks(fsspec.filesystem("file"), str(titles)):
        if chunk.malformed or not {"item", "title"} <= set(chunk.frame.columns):
            raise DataError(
                f"{titles} is not a CSV of item,title (line {(chunk.malformed or [1])[0]}); "
                "mend the file, or fetch it again"
            )
        landing.write(
            "videos",
            chunk.frame.select(
                "title",
                video_id="item",
                media=pl.col("item").replace_strict(clips, default=None, return_dtype=pl.String),
            ),
        )
    for frame in delimited(pairs, "\t", ("user_id", "videos")):
        landing.write("events", _comments(frame))


def _comments(users: pl.DataFrame) -> pl.DataFrame:
    """One row a comment; of n comments, comment i lies n - 1 - i steps before the newest."""
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


def _only(source: Path, pattern: str) -> Path:
    found = sorted(source.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"{source} does not look like microlens: expected one {pattern}, found {names}"
        )
    return found[0]
