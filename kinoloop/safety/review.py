"""What people decide about single videos: it comes before every score, and stays until undone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from kinoloop.data.moderation import UNDONE, standing
from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.errors import DataError
from kinoloop.safety.screen import NOTHING, log
from kinoloop.schema import MODERATION

Decision = Literal["shown", "hidden", "undone"]


def decide(
    tables: Tables, video_ids: Sequence[str], decision: Decision, *, by: str, why: str
) -> None:
    """Write down what a person decided, for all of the videos or for none.

    Args:
        tables: The data directory.
        video_ids: Of the catalogue.
        decision: `shown` or `hidden`, whatever the scores say; `undone` leaves it to them again.
        by: Who.
        why: In that person's words.

    Raises:
        DataError: A video is not in the catalogue, or there is nothing to undo, or nobody decides.
    """
    if not by.strip():
        raise DataError("a decision needs somebody who made it; name them with --by")
    with exclusive(tables, timeout_s=WRITER_WAIT_S):
        known = set(tables.scan("videos").select("video_id").collect().to_series())
        unknown = [video_id for video_id in video_ids if video_id not in known]
        if unknown:
            raise DataError(
                f"video {unknown[0]!r} is not in the catalogue of {len(known)}; nothing was decided"
            )
        holds = standing(tables).filter(pl.col("by") != "").select("video_id").collect()
        free = [one for one in video_ids if one not in set(holds["video_id"])]
        if decision == UNDONE and free:
            raise DataError(f"nobody decided on video {free[0]!r}; nothing was undone")
        stamp = {"at": datetime.now(UTC), "by": by.strip(), "why": why, "outcome": decision}
        rows = [{"video_id": video_id, **NOTHING, **stamp} for video_id in video_ids]
        log(tables, pl.DataFrame(rows, schema=MODERATION))


def waiting(tables: Tables, outcomes: Sequence[str] = ("waiting",)) -> pl.DataFrame:
    """Read what stands, surest first: the columns of `moderation` and `title`."""
    titles = tables.scan("videos").select("video_id", "title")
    return (
        standing(tables)
        .filter(pl.col("outcome").is_in(outcomes))
        .join(titles, on="video_id")
        .sort("score", "video_id", descending=[True, False], nulls_last=True)
        .collect()
    )


def history(tables: Tables, *, limit: int) -> pl.DataFrame:
    """Read the newest rows of the log, newest first, with `title` where the video is still there.

    Args:
        tables: The data directory.
        limit: How many at most.
    """
    titles = tables.scan("videos").select("video_id", "title")
    newest = tables.scan("moderation").sort("at", "video_id", descending=[True, False])
    return (
        newest.head(limit).join(titles, on="video_id", how="left", maintain_order="left").collect()
    )
