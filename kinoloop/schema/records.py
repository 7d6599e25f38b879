"""Delta tables of what arrived: videos, events, and what ingestion said of their files."""

from typing import Final

import polars as pl

from kinoloop.schema.landing import (
    ANSWER_COLUMNS,
    EVENT_CONTEXT,
    LANDING_EVENTS,
    LANDING_VIDEOS,
    TIME,
    Schema,
)

VIDEOS: Final[Schema] = {
    **LANDING_VIDEOS,
    "extra": pl.String,  # free extra columns as one JSON object
    "batch_id": pl.String,
}
"""Delta table `videos`, one row per video_id (a later batch replaces the row)."""

EVENTS: Final[Schema] = {
    **LANDING_EVENTS,  # user_id is the pseudonym; event_id is always filled
    "date": pl.Date,  # partition: UTC day of `timestamp`
    "batch_id": pl.String,
    **EVENT_CONTEXT,
    **ANSWER_COLUMNS,
}
"""Delta table `events`, one row per event_id, partitioned by `date`."""

QUARANTINE: Final[Schema] = {
    "kind": pl.String,  # "video", "event" or "media"
    "key": pl.String,  # video_id or event_id where known
    "reasons": pl.List(pl.String),
    "row": pl.String,  # the row as JSON, user ids pseudonymised
    "file": pl.String,
    "batch_id": pl.String,
    "quarantined_at": TIME,
}
"""Delta table `quarantine`: rejected rows and files, each with its reasons."""

BATCHES: Final[Schema] = {
    "batch_id": pl.String,  # hash of the digests of its files
    "file": pl.String,
    "digest": pl.String,  # SHA-256 of the file
    "kind": pl.String,  # "videos" or "events"
    "rows": pl.Int64,
    "accepted": pl.Int64,
    "quarantined": pl.Int64,
    "duplicates": pl.Int64,
    "committed_at": TIME,
    "held": pl.Int64,  # of the accepted, rows whose video was unknown
    "landed_at": TIME,  # when the file was last written, as its filesystem says
}
"""Delta table `batches`: the ledger of files that were ingested, one row per file."""
