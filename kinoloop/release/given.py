"""What is given with a question, whatever is asked: when, in which situation, of which videos."""

from collections.abc import Mapping
from typing import NamedTuple

from kinoloop.data.situations import NOWHERE, Situation

Plain = str | bool | int | float
"""A value of a column."""

Filters = Mapping[str, Plain | list[Plain]]
"""By column the value that a video must have, or several of which it must have one."""

EVERYTHING: Filters = {}
"""Filters nothing."""


class Given(NamedTuple):
    """What every answer depends on beside its question.

    Attributes:
        moment: When the answer is given, µs since the epoch; None is now.
        situation: In which situation the videos are shown; only `recommend` reads it.
        filters: Which videos may be there at all.
    """

    moment: int | None = None
    situation: Situation = NOWHERE
    filters: Filters = EVERYTHING


NOW = Given()
"""Now, anywhere, of all videos."""
