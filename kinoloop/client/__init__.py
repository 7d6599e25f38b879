"""Python client of the service, sync and async; see docs/guides/python-client.md."""

from kinoloop.client.answers import (
    About,
    Explained,
    Explanation,
    FeedbackReceipt,
    Left,
    Lineage,
    Move,
    Place,
    RejectedEvent,
    ReleaseFacts,
    Slate,
    Video,
    VideoLabel,
    VideoMoment,
    VideoOccurrence,
)
from kinoloop.client.async_client import AsyncClient
from kinoloop.client.operation import Availability, Overview, Uploaded
from kinoloop.client.options import (
    AvailabilityOptions,
    ClipOptions,
    Condition,
    Event,
    FindOptions,
    ManyOptions,
    RecommendOptions,
)
from kinoloop.client.retries import Retries
from kinoloop.client.sync_client import Client

__all__ = [
    "About",
    "AsyncClient",
    "Availability",
    "AvailabilityOptions",
    "Client",
    "ClipOptions",
    "Condition",
    "Event",
    "Explained",
    "Explanation",
    "FeedbackReceipt",
    "FindOptions",
    "Left",
    "Lineage",
    "ManyOptions",
    "Move",
    "Overview",
    "Place",
    "RecommendOptions",
    "RejectedEvent",
    "ReleaseFacts",
    "Retries",
    "Slate",
    "Uploaded",
    "Video",
    "VideoLabel",
    "VideoMoment",
    "VideoOccurrence",
]
