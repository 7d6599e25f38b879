"""How long videos are: what decoding measured counts, and what the catalogue says where it did not.

A watch time is a share of what was really played. A file that was read only in part gives a lower
bound: the catalogue's value takes precedence. Subtitles alone measure nothing.
"""

import polars as pl

from kinoloop.data.tables import Tables

_SECONDS = pl.col("duration_s")
_SANE = _SECONDS.is_finite() & (_SECONDS > 0)
_PLAYED = _SANE & ((pl.col("width") > 0) | (pl.col("audio_s") > 0))


def measured_durations(tables: Tables) -> pl.LazyFrame:
    """Scan what decoding found: `video_id`, `measured_s`, `at_least_s` of files read in part."""
    return (
        tables.scan("media")
        .filter(_PLAYED)
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .select(
            "video_id",
            measured_s=pl.when(pl.col("outcome") == "ok").then(_SECONDS),
            at_least_s=pl.when(pl.col("outcome") == "partial").then(_SECONDS),
        )
    )


def with_durations(videos: pl.LazyFrame, tables: Tables) -> pl.LazyFrame:
    """Videos with the `duration_s` that counts instead of the catalogue's; null where unknown.

    Args:
        videos: Columns `video_id` and `duration_s`, and any others; rows may come in other order.
        tables: Table `media` is read.
    """
    return (
        videos.join(measured_durations(tables), on="video_id", how="left")
        .with_columns(
            duration_s=pl.coalesce("measured_s", pl.when(_SANE).then(_SECONDS), "at_least_s")
        )
        .drop("measured_s", "at_least_s")
    )
