"""Limits: at most so many videos of one creator, series or other value in a slate.

A limit gives way only where a slate would be shorter without: then, what exceeds it comes last.
Candidates are looked for further down before. Pinned videos count and are never moved.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.head import FORBIDDEN, Context, Head, Rule
from kinoloop.settings import Config


class Limit(Config):
    """At most so many with one value of a column."""

    column: str = Field(description="Such as creator_id, or a free column such as series.")
    most: int = Field(ge=1, description="Videos with one value in a slate.")


class Limits(Rule):
    """Keeps one limit.

    Args:
        most: Videos with one value.
        codes: (n_videos,) value of each video; −1 for none, which no limit holds for.
    """

    name = "limit"

    def __init__(self, most: int, codes: NDArray[np.int32]) -> None:
        self._most, self._codes = most, codes

    def begin(self, head: Head, context: Context) -> "_Counted":  # noqa: ARG002 (as of Rule)
        """Begin to count."""
        return _Counted(self._codes[head.videos], self._most)


class _Counted:
    def __init__(self, codes: NDArray[np.int32], most: int) -> None:
        self._codes, self._most = codes, most
        self._times: dict[int, int] = {}
        self._penalty = np.zeros(len(codes))

    def penalty(self, place: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Course)
        return self._penalty

    def take(self, at: int) -> None:
        code = int(self._codes[at])
        if code < 0:
            return
        times = self._times[code] = self._times.get(code, 0) + 1
        if times == self._most:
            self._penalty[self._codes == code] = FORBIDDEN
