"""What a rule sees: the head of the list as arrays, and what is known of the request.

A rule is a class with a `name`, its reason code, and any of four steps, asked in this order; what
it leaves out does nothing:

    leaves   positions of the catalogue that must not be in the slate
    joins    positions that are candidates though they are not among the best
    adjust   what is added to the values of the candidates
    begin    a course over the places of the slate: at each place, a penalty per candidate

The places are then filled from the first one on: each takes the candidate with the highest value
less all penalties, of equals the one that stood before. A video that a rule holds at a place
(`held`) is there, whatever its value. So what no rule touches keeps its order, no video comes
twice, and a slate is as long as without rules, but for what `leaves`.
"""

from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.scores import Scored

FORBIDDEN = 1e6
"""Penalty of what may come only where nothing else is left."""

WANTED = 1e3
"""Penalty of all others at a place that is kept for some; a forbidden one gives way."""

NONE = np.empty(0, dtype=np.intp)


class Context(NamedTuple):
    """What is known of a request.

    Attributes:
        moment: When the answer is given, µs since the epoch.
        top_k: Length of the slate.
        history: What the recommender reads, one row.
        met: (n,) positions of all that the user met, some maybe twice.
        surface: Where it is shown; None where that was not said.
        before: Places of the slate that come before these, on pages before this one, too.
        drawn: Whether these are no places, but what a place is drawn from.
    """

    moment: int
    top_k: int
    history: Histories
    met: NDArray[np.integer] = NONE
    surface: str | None = None
    before: int = 0
    drawn: bool = False


class Head(NamedTuple):
    """The head of the list.

    Attributes:
        videos: (n,) positions in the catalogue, best first.
        values: (n,) float64, how good: standard deviations of the scores; falling.
        first: How many of them are candidates; the rest was shown already and counts as chosen.
        span: Values of the worst and of the best candidate that counts 0 and 1 as relevance.
    """

    videos: NDArray[np.intp]
    values: NDArray[np.float64]
    first: int
    span: tuple[float, float]

    @property
    def relevance(self) -> NDArray[np.float64]:
        """(n,) values as shares of the way from the worst of the best videos to the best one.

        What a rule brought in or lowered may be below 0, what it raised above 1.
        """
        low, high = self.span
        return np.asarray((self.values - low) / ((high - low) or 1.0))


class Course(Protocol):
    """How a rule goes along while the places of one slate are filled."""

    def penalty(self, place: int) -> NDArray[np.float64] | float:
        """(n,) what each candidate loses at a place, from 0; in units of `Head.relevance`."""
        ...

    def take(self, at: int) -> None:
        """Know that the candidate at a position of the head is in the slate."""
        ...


class Rule:
    """Base of all rules; compiled with a catalogue.

    Attributes:
        name: Reason code.
    """

    name: ClassVar[str]

    def leaves(self, context: Context) -> NDArray[np.integer]:  # noqa: ARG002 (for rules that need it)
        """Positions that must not be in the slate."""
        return NONE

    def joins(
        self,
        scores: Scored,  # noqa: ARG002 (for rules that need it)
        context: Context,  # noqa: ARG002 (for rules that need it)
    ) -> NDArray[np.integer]:
        """Positions that are candidates though they are not among the best.

        Args:
            scores: (n_videos,) of retrieval; −inf hides a video.
            context: Of the request.
        """
        return NONE

    def held(self, context: Context) -> list[tuple[int, int]]:  # noqa: ARG002 (for rules that need it)
        """Places, from 0, with the position that stands there."""
        return []

    def adjust(self, head: Head, context: Context) -> NDArray[np.float64] | None:  # noqa: ARG002 (for rules that need it)
        """(n,) what is added to `head.values`; None for nothing."""
        return None

    def begin(self, head: Head, context: Context) -> Course | None:  # noqa: ARG002 (for rules that need it)
        """Begin a slate; None where the rule has nothing to say in it."""
        return None
