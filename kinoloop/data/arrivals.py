"""When new videos passed each station on their way to the service.

Columns of a catalogue version, null for the videos that its model was trained on: when the file
that brought the video landed, when it was committed, when its content was understood, and when a
catalogue version first had it. What remains, the first slate, the service sees.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.schema import TIME

STAMPS = ("landed_at", "ingested_at", "extracted_at", "released_at")


def with_stamps(
    rows: pl.DataFrame, before: pl.DataFrame, tables: Tables, *, now: datetime
) -> pl.DataFrame:
    """Give rows of a grown catalogue their `STAMPS`.

    Args:
        rows: Those before in their places, then new ones.
        before: Rows of the catalogue before, with their stamps where it has any.
        tables: Where to read those of new videos, and what was extracted since.
        now: When the version is made.
    """
    kept = [
        before[name] if name in before.columns else pl.Series(name, [None] * len(before), TIME)
        for name in STAMPS
    ]
    new = rows["video_id"][len(before) :]
    fresh = _landed(tables, new).with_columns(
        pl.lit(None, TIME).alias("extracted_at"), pl.lit(now, TIME).alias("released_at")
    )
    stamps = pl.concat([pl.DataFrame(kept), fresh.select(STAMPS)])
    stamped = rows.with_columns(stamps)
    waits = stamped["released_at"].is_not_null() & stamped["extracted_at"].is_null()
    if not waits.any():
        return stamped
    found = _extracted(tables, stamped.filter(waits)["video_id"].to_list())
    newest = stamped.select("video_id").join(
        found, on="video_id", how="left", maintain_order="left"
    )["at"]
    return stamped.with_columns(pl.coalesce("extracted_at", newest).alias("extracted_at"))


def seconds_since_landing(videos: pl.DataFrame, stamp: str) -> NDArray[np.float64]:
    """Seconds from landing to a stamp, of the videos that have both, (n,)."""
    if stamp not in videos.columns:
        return np.empty(0)
    took = (videos[stamp] - videos["landed_at"]).drop_nulls()
    return took.dt.total_microseconds().to_numpy() / 1e6


def _landed(tables: Tables, videos: pl.Series) -> pl.DataFrame:
    """Read `landed_at` and `ingested_at` of some videos, row by row."""
    batches = (
        tables.scan("batches")
        .filter(pl.col("kind") == "videos")
        .group_by("batch_id")
        .agg(landed_at=pl.col("landed_at").max(), ingested_at=pl.col("committed_at").max())
    )
    known = (
        tables.scan("videos")
        .filter(pl.col("video_id").is_in(videos.to_list()))
        .select("video_id", "batch_id")
        .join(batches, on="batch_id", how="left")
        .collect()
    )
    return videos.to_frame("video_id").join(known, on="video_id", how="left", maintain_order="left")


def _extracted(tables: Tables, videos: Sequence[str]) -> pl.DataFrame:
    return (
        tables.scan("features")
        .filter(pl.col("video_id").is_in(list(videos)))
        .group_by("video_id")
        .agg(at=pl.col("extracted_at").max())
        .collect()
    )


def stamps_of(videos: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Stamps in µs by name, of each video of which is known when it landed."""
    if "landed_at" not in videos.columns:
        return {}
    known = videos.filter(pl.col("landed_at").is_not_null())
    columns = {name: known[name].cast(pl.Int64).to_list() for name in STAMPS}
    return {
        video_id: {name: column[row] for name, column in columns.items() if column[row] is not None}
        for row, video_id in enumerate(known["video_id"])
    }
