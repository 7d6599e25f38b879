"""What may be shown: the rule, and the table `moderation` that it rests on.

The table is a log: what the scores of a video led to, and what people decided. Nothing is ever
changed in it. The newest decision of a person holds, whatever the scores say, until that person or
another one takes it back; else the newest outcome of the scores.
"""

import polars as pl

from kinoloop.data.tables import Tables

WITHHELD = "withheld"
"""Column of a catalogue: whether a video is in no answer."""

NOT_SHOWN = ("waiting", "hidden")
UNDONE = "undone"


def standing(tables: Tables) -> pl.LazyFrame:
    """Read what holds of each video that was ever scored or decided on.

    Returns:
        The columns of `schema.MODERATION`, one row per video.
    """
    log = tables.scan("moderation").sort("at")
    decided = (
        log.filter(pl.col("by") != "")
        .unique("video_id", keep="last")
        .filter(pl.col("outcome") != UNDONE)
    )
    scored = log.filter(pl.col("by") == "").unique("video_id", keep="last")
    return pl.concat([decided, scored.join(decided, on="video_id", how="anti")]).sort("video_id")


def withheld(tables: Tables) -> pl.LazyFrame:
    """Tell which videos are in no answer: columns `video_id` and `withheld`, one row per video.

    Whatever keeps a video from being shown belongs here: every release reads it from here alone.
    """
    kept = standing(tables).filter(pl.col("outcome").is_in(NOT_SHOWN)).select("video_id")
    there = tables.scan("videos").select("video_id")
    return there.join(
        kept.with_columns(pl.lit(value=True).alias(WITHHELD)), on="video_id", how="left"
    ).with_columns(pl.col(WITHHELD).fill_null(value=False))
