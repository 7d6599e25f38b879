"""What events are called and how long a day is: of the schema, for what must do without tables."""

from typing import Final

BEHAVIOUR_KINDS: Final = (
    "impression",
    "view",
    "like",
    "dislike",
    "comment",
    "share",
    "save",
    "search",
    "skip",
    "rating",
)
"""Kinds that recommenders read; their number is part of the shape of fitted models."""

EVENT_KINDS: Final = (*BEHAVIOUR_KINDS, "undo", "not_interested", "identify", "report")
"""Allowed values of `events.event`; the position is the internal code of a kind."""

DAY_US: Final = 86_400_000_000
"""Microseconds."""
