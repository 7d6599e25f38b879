"""Column names, event kinds and table schemas: written here and nowhere else.

The landing zone carries `LANDING_VIDEOS` and `LANDING_EVENTS` (see docs/guides/your-data.md); the
Delta tables under `data/` carry the schemas below. User ids in tables are always pseudonyms.
"""

from typing import Final

import polars as pl

from kinoloop.kinds import BEHAVIOUR_KINDS as BEHAVIOUR_KINDS
from kinoloop.kinds import DAY_US as DAY_US
from kinoloop.kinds import EVENT_KINDS as EVENT_KINDS

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
}
"""Further columns of impressions, which only the service knows."""

REQUIRED_EVENT_COLUMNS: Final = ("user_id", "video_id", "timestamp", "event")

EVENT_CHECKS: Final[Schema] = {
    "duration_s": pl.Float64,  # of the video, as the log saw it
    "logged_date": pl.Date,  # the calendar day that the log states, local time
    "logged_hour": pl.Float64,  # the hour that the log states, local time
    "utc_offset_h": pl.Float64,  # of that local time
    "pseudonym": pl.String,  # in place of user_id, from a source that never had a raw one
}
"""Optional columns of landing events that validation reads and tables do not keep."""

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

MEDIA: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # SHA-256 of media file and subtitle file
    "outcome": pl.String,  # ok, partial, quarantined; waiting: read in the next run
    "reason": pl.String,
    "duration_s": pl.Float64,  # measured, not believed
    "width": pl.Int32,
    "height": pl.Int32,
    "frames": pl.Int32,  # sampled
    "audio_s": pl.Float64,  # seconds of sound read, 0 without sound
    "words": pl.String,  # subtitles, embedded or beside the file, or what was heard
    "cues": pl.List(  # these words with their times, from the start, as far as `words` reaches
        pl.Struct({"start_s": pl.Float64, "end_s": pl.Float64, "text": pl.String})
    ),
    "screen": pl.List(  # words that the pictures show, as far as somebody reads
        pl.Struct(
            {
                "start_s": pl.Float64,
                "end_s": pl.Float64,
                "text": pl.String,
                "score": pl.Float32,  # how sure the reader is
            }
        )
    ),
    "thumbnail": pl.Binary,  # JPEG, null where there is no picture
    "print_times_s": pl.List(pl.Float32),  # of each picture that was hashed
    "picture_print": pl.List(pl.Int64),  # perceptual hashes, see kinoloop/media/prints.py
    "sound_print": pl.List(pl.Int32),  # perceptual hashes of the sound
    "extracted_at": TIME,
}
"""Delta table `media`: what decoding found, one row per video_id: that of the newest content."""

FEATURES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,
    "modality": pl.String,  # "text", "visual" or "audio"
    "fingerprint": pl.String,
    "present": pl.Boolean,  # False: the video has nothing of this modality; vector is null
    "vector": pl.List(pl.Float32),  # L2-normalised
    "moments": pl.List(  # parts that show different things, see kinoloop/data/moments.py
        pl.Struct(
            {
                "start_s": pl.Float32,
                "end_s": pl.Float32,
                "vector": pl.Binary,  # float16, L2-normalised: of its frames
            }
        )
    ),
    "extracted_at": TIME,
}
"""Delta table `features`, one row a (video_id, fingerprint): that of the newest content."""

LABELS: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the words, pictures and sound that were labelled
    "fingerprint": pl.String,  # of the way of labelling
    "labels": pl.List(
        pl.Struct(
            {
                "facet": pl.String,  # topic, emotion, style, shows, category, tag, one of your own
                "label": pl.String,
                "score": pl.Float32,  # probability
                "evidence": pl.String,  # what the label rests on
            }
        )
    ),
    "free_tags": pl.List(pl.String),
    "summary": pl.String,  # one line; "" where nothing is known
    "summary_by": pl.String,  # "words", "labels" or the name of the model that wrote it
    "labelled_at": TIME,
}
"""Delta table `labels`, one row per video: what it is about and how it feels."""

ANSWERS: Final[Schema] = {
    "video_id": pl.String,
    "facet": pl.String,
    "label": pl.String,
    "holds": pl.Boolean,  # False: the video does not have this label
    "answered_at": TIME,
}
"""Delta table `answers`: what a person said of labels, one row a (video_id, facet, label)."""

OCCURRENCES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the moments that were labelled
    "fingerprint": pl.String,  # of the way of labelling them
    "occurrences": pl.List(  # in order of time
        pl.Struct(
            {
                "facet": pl.String,  # shows, sound, or one of the label file
                "label": pl.String,
                "start_s": pl.Float64,
                "end_s": pl.Float64,
                "score": pl.Float32,  # probability
                "evidence": pl.String,
            }
        )
    ),
    "labelled_at": TIME,
}
"""Delta table `occurrences`, one row per video: which labels hold from when to when."""

SHOWS: Final = "shows"
"""Facet of the labels that name what pictures show."""

MOMENTS: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of what was described, and how
    "fingerprint": pl.String,  # of the text encoder that made the vectors
    "moments": pl.List(
        pl.Struct(
            {
                "start_s": pl.Float32,
                "end_s": pl.Float32,
                "shows": pl.List(  # what the pictures show: "Pomeranian" before "dog"
                    pl.Struct({"word": pl.String, "score": pl.Float32})
                ),
                "reads": pl.String,  # words in the picture; "" without
                "says": pl.String,  # what is said; "" without
                "vector": pl.Binary,  # float16, L2-normalised: of these words
            }
        )
    ),
    "described_at": TIME,
}
"""Delta table `moments`, one row per video: which words tell what it shows, reads and says when."""

DUPLICATES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # that was compared
    "fingerprint": pl.String,  # of the way of comparing
    "group_id": pl.String,  # first id of those that show the same; null where nothing else does
    "twins": pl.List(
        pl.Struct(
            {
                "video_id": pl.String,
                "offset_s": pl.Float64,  # time here minus time there
                "pictures": pl.Int64,  # that were compared at that offset
                "picture_share": pl.Float64,  # of them, alike
                "sound_share": pl.Float64,  # equal bits of the sounds; null where not compared
                "cosine": pl.Float64,  # of the visual vectors; null where one has none
            }
        )
    ),
    "compared_at": TIME,
}
"""Delta table `duplicates`, one row per video with pictures: which others show the same."""

PICTURE_HARM: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,
    "fingerprint": pl.String,  # of the model and of what is decoded for it
    "times_s": pl.List(pl.Float64),  # of the pictures that were looked at; none without pictures
    "scores": pl.List(pl.Float32),  # how likely each of them is sexual
    "extracted_at": TIME,
}
"""Delta table `picture_harm`, one row a (video_id, fingerprint): that of the newest content."""

HARM: Final[Schema] = {
    "kind": pl.String,  # of harm, such as "hate"; "" where none
    "score": pl.Float32,  # probability
    "source": pl.String,  # title, description, speech, screen, comments, picture, twin
    "evidence": pl.String,  # what the score rests on
    "start_s": pl.Float64,  # when it is said or shown, null where it has no time
}

SAFETY: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the words, comments and pictures that were scored
    "fingerprint": pl.String,  # of the way of scoring
    "scores": pl.List(pl.Struct(HARM)),  # the highest of each kind and source
    "scored_at": TIME,
}
"""Delta table `safety`, one row per video: how likely it is harmful."""

MODERATION: Final[Schema] = {
    "video_id": pl.String,
    "at": TIME,
    "outcome": pl.String,  # shown, marked, waiting, hidden; undone: no decision any more
    "by": pl.String,  # who decided; "" where the scores did
    "why": pl.String,  # in the words of who decided
    **HARM,  # the score that led there
}
"""Delta table `moderation`: a log of what scores led to and people decided; rows are only added."""

ENCODERS: Final[Schema] = {
    "fingerprint": pl.String,
    "modality": pl.String,
    "settings": pl.String,  # of the encoder, as JSON: it can be built again
    "first_used": TIME,
}
"""Delta table `encoders`: who made the vectors of a fingerprint, one row each."""

TABLES: Final[dict[str, Schema]] = {
    "videos": VIDEOS,
    "events": EVENTS,
    "quarantine": QUARANTINE,
    "batches": BATCHES,
    "media": MEDIA,
    "features": FEATURES,
    "encoders": ENCODERS,
    "labels": LABELS,
    "answers": ANSWERS,
    "moments": MOMENTS,
    "occurrences": OCCURRENCES,
    "duplicates": DUPLICATES,
    "picture_harm": PICTURE_HARM,
    "safety": SAFETY,
    "moderation": MODERATION,
}

MODALITIES: Final = ("text", "visual", "audio")
