"""What is given with a question, whatever is asked: when, in which situation, of which videos."""

from collections.abc import Sequence
from typing import NamedTuple

from kinoloop.data.situations import NOWHERE, Situation
from kinoloop.policy.filters import EVERYTHING, Filters
from kinoloop.policy.ruling import Ruling


class Given(NamedTuple):
    """What every answer depends on beside its question.

    Attributes:
        moment: When the answer is given, µs since the epoch; None is now.
        situation: In which situation the videos are shown; only `recommend` reads it.
        filters: Which videos may be there at all.
        allowed: Further filters, of columns that no video may have: each must hold.
        ruling: Rules that make the slate out of the best videos; only `recommend` asks them.
        exact: Whether every video is scored where there is an index, too.
    """

    moment: int | None = None
    situation: Situation = NOWHERE
    filters: Filters = EVERYTHING
    allowed: Sequence[Filters] = ()
    ruling: Ruling | None = None
    exact: bool = False


NOW = Given()
"""Now, anywhere, of all videos."""
