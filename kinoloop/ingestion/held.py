"""Events of videos that nobody knows yet: in the tables, read by nothing, until they are known.

Everything that learns from events joins them with the videos of a catalogue, so an event of an
unknown video counts for nothing and starts to count by itself when its video arrives. What waits
longer than `[ingest] hold_days` since its batch was committed is quarantined, with the reason. The
ledger says which batches brought such events; only those are looked at.
"""

import logging
from datetime import datetime

import deltalake
import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.ingestion.row_text import as_json
from kinoloop.schema import ANSWER_COLUMNS, EVENT_CONTEXT, LANDING_EVENTS, QUARANTINE

logger = logging.getLogger(__name__)

NEVER_KNOWN = "event_video_never_known"
"""Reason of the events that waited in vain."""

_ROW = (*LANDING_EVENTS, *EVENT_CONTEXT, *ANSWER_COLUMNS)


def held(tables: Tables, *, older_than: datetime | None = None) -> pl.DataFrame:
    """Events that wait for their video.

    Args:
        tables: Tables `batches`, `events` and `videos` are read.
        older_than: Only those whose batch was committed before that moment.
    """
    ledger = tables.scan("batches").filter(pl.col("held") > 0)
    if older_than is not None:
        ledger = ledger.filter(pl.col("committed_at") < older_than)
    batches = ledger.select("batch_id").unique().collect()["batch_id"]
    if batches.is_empty():
        return tables.scan("events").head(0).collect()
    return (
        tables.scan("events")
        .filter(pl.col("batch_id").is_in(batches.implode()), pl.col("video_id").is_not_null())
        .join(tables.scan("videos").select("video_id"), on="video_id", how="anti")
        .collect(engine="streaming")
    )


def expire(tables: Tables, *, older_than: datetime, now: datetime) -> int:
    """Quarantine what waited too long; call within `exclusive`.

    The quarantine is written first: killed in between, the next call finds the rows there and only
    takes them out of the events.

    Args:
        tables: Where.
        older_than: What was committed before that moment has waited too long.
        now: For the quarantine.

    Returns:
        How many events.
    """
    gone = held(tables, older_than=older_than)
    if gone.is_empty():
        return 0
    there = (
        tables.scan("quarantine")
        .filter(pl.col("reasons").list.contains(NEVER_KNOWN))
        .select("key", "batch_id")
        .collect()
    )
    rows = gone.select(
        kind=pl.lit("event"),
        key="event_id",
        reasons=pl.lit([NEVER_KNOWN]),
        row=as_json(gone.select(_ROW)),
        file=pl.lit("events"),
        batch_id="batch_id",
        quarantined_at=pl.lit(now),
    ).join(there, on=("key", "batch_id"), how="anti")
    if not rows.is_empty():
        frame = rows.cast(pl.Schema(QUARANTINE)).to_arrow()
        deltalake.write_deltalake(str(tables.path("quarantine")), frame, mode="append")
    table = deltalake.DeltaTable(str(tables.path("events")))
    for (batch_id,), part in gone.group_by("batch_id"):
        names = ", ".join(map(_quoted, part["video_id"].unique().sort()))
        table.delete(f"batch_id = {_quoted(str(batch_id))} AND video_id IN ({names})")
    logger.warning(
        "%d events of %d videos that never became known are quarantined as %s; land the videos and "
        "the events again, or raise [ingest] hold_days",
        len(gone),
        gone["video_id"].n_unique(),
        NEVER_KNOWN,
    )
    return len(gone)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
