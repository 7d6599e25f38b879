"""What landing files carry: columns of videos and of events (docs/guides/your-data.md)."""

from typing import Final

import polars as pl

TIME: Final = pl.Datetime("us", "UTC")

VIDEOLESS_KINDS: Final = ("search", "undo", "not_interested", "identify")
"""Kinds that may name no video."""

MAX_ID_CHARACTERS: Final = 2048
"""Longest id of a user or a video that ingestion and the service take: URLs and S3 keys are ids."""

Schema = dict[str, pl.DataType | type[pl.DataType]]

LANDING_VIDEOS: Final[Schema] = {
    "video_id": pl.String,
    "title": pl.String,
    "description": pl.String,
    "language": pl.String,
    "category": pl.String,
    "tags": pl.List(pl.String),
    "creator_id": pl.String,
    "published_at": TIME,
    "duration_s": pl.Float64,
    "media": pl.String,
    "subtitles": pl.String,
    "available_from": TIME,  # shown from then on
    "available_until": TIME,  # and from then on no more
    "hidden": pl.Boolean,  # not shown at all
}
REQUIRED_VIDEO_COLUMNS: Final = ("video_id", "title")

LANDING_EVENTS: Final[Schema] = {
    "user_id": pl.String,
    "video_id": pl.String,
    "timestamp": TIME,
    "event": pl.String,
    "watch_s": pl.Float64,
    "value": pl.Float64,
    "text": pl.String,
    "surface": pl.String,
    "device": pl.String,
    "event_id": pl.String,
}
EVENT_CONTEXT: Final[Schema] = {
    "request_id": pl.String,  # of the answer that the event follows
    "position": pl.Int64,  # of the video in that answer, from 0
    "undoes": pl.String,  # of an undo: the kind, with a video; else the id of the event
    "creator_id": pl.String,  # of not_interested: no more of this creator
    "label": pl.String,  # of not_interested: no more that is about this
    "person_id": pl.String,  # of identify: whose id user_id is; a pseudonym in tables
}
"""Further columns of landing events that whoever sends feedback may fill."""

ANSWER_COLUMNS: Final[Schema] = {
    "score": pl.Float64,
    "propensity": pl.Float64,  # chance that the policy shows this video at this position
    "policy": pl.String,
    "arm": pl.String,  # of an experiment
    "model_version": pl.String,
    "catalogue_version": pl.String,
    "reason": pl.String,
    "context": pl.String,  # of the request, as JSON
    "rules": pl.String,  # reason codes of what moved the place, with commas between; "" for none
}
"""Further columns of impressions, which only the service knows."""

NARROWED: Final = ":narrowed"
"""Ends the `policy` of an answer whose request left out videos or brought a history of its own."""

REQUIRED_EVENT_COLUMNS: Final = ("user_id", "video_id", "timestamp", "event")

EVENT_CHECKS: Final[Schema] = {
    "duration_s": pl.Float64,  # of the video, as the log saw it
    "logged_date": pl.Date,  # the calendar day that the log states, local time
    "logged_hour": pl.Float64,  # the hour that the log states, local time
    "utc_offset_h": pl.Float64,  # of that local time
    "pseudonym": pl.String,  # in place of user_id, from a source that never had a raw one
}
"""Optional columns of landing events that validation reads and tables do not keep."""
