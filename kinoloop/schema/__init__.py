"""Column names, event kinds and table schemas: written in this room and nowhere else.

The landing zone carries `LANDING_VIDEOS` and `LANDING_EVENTS` (see docs/guides/your-data.md); the
Delta tables under `data/` carry the schemas below. User ids in tables are always pseudonyms.
"""

from typing import Final

from kinoloop.kinds import BEHAVIOUR_KINDS as BEHAVIOUR_KINDS
from kinoloop.kinds import DAY_US as DAY_US
from kinoloop.kinds import EVENT_KINDS as EVENT_KINDS
from kinoloop.schema.content import ANSWERS as ANSWERS
from kinoloop.schema.content import DUPLICATES as DUPLICATES
from kinoloop.schema.content import ENCODERS as ENCODERS
from kinoloop.schema.content import FEATURES as FEATURES
from kinoloop.schema.content import HARM as HARM
from kinoloop.schema.content import LABELS as LABELS
from kinoloop.schema.content import MEDIA as MEDIA
from kinoloop.schema.content import MODERATION as MODERATION
from kinoloop.schema.content import MOMENTS as MOMENTS
from kinoloop.schema.content import OCCURRENCES as OCCURRENCES
from kinoloop.schema.content import PICTURE_HARM as PICTURE_HARM
from kinoloop.schema.content import SAFETY as SAFETY
from kinoloop.schema.content import SHOWS as SHOWS
from kinoloop.schema.landing import ANSWER_COLUMNS as ANSWER_COLUMNS
from kinoloop.schema.landing import EVENT_CHECKS as EVENT_CHECKS
from kinoloop.schema.landing import EVENT_CONTEXT as EVENT_CONTEXT
from kinoloop.schema.landing import LANDING_EVENTS as LANDING_EVENTS
from kinoloop.schema.landing import LANDING_VIDEOS as LANDING_VIDEOS
from kinoloop.schema.landing import MAX_ID_CHARACTERS as MAX_ID_CHARACTERS
from kinoloop.schema.landing import NARROWED as NARROWED
from kinoloop.schema.landing import REQUIRED_EVENT_COLUMNS as REQUIRED_EVENT_COLUMNS
from kinoloop.schema.landing import REQUIRED_VIDEO_COLUMNS as REQUIRED_VIDEO_COLUMNS
from kinoloop.schema.landing import TIME as TIME
from kinoloop.schema.landing import VIDEOLESS_KINDS as VIDEOLESS_KINDS
from kinoloop.schema.landing import Schema as Schema
from kinoloop.schema.records import BATCHES as BATCHES
from kinoloop.schema.records import EVENTS as EVENTS
from kinoloop.schema.records import QUARANTINE as QUARANTINE
from kinoloop.schema.records import VIDEOS as VIDEOS

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
