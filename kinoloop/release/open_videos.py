"""Which videos may be in an answer at a moment under some filters, kept as bits between requests.

What is open changes when a video opens or closes, and most requests ask with the same few filters:
so the bits of a moment's filters are made once, and a request takes out only what is its own.
"""

import json
import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.policy.filters import VideoFilters
from kinoloop.release.availability import Availability
from kinoloop.release.given import Given
from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.searching import Index

KEPT = 32
"""Sets that are kept, those that were asked for last: 4 MB at a million videos."""


class OpenVideos(NamedTuple):
    """A set, with what indexes know of it.

    Attributes:
        allowed: The videos.
        held: By the name of the index, see `Index.holding`; filled as it is asked for.
    """

    allowed: Allowed
    held: dict[str, NDArray[np.bool_] | None]

    def holding(self, name: str, index: Index) -> NDArray[np.bool_] | None:
        """Return what an index knows of the set."""
        if name not in self.held:
            self.held[name] = index.holding(self.allowed)  # two threads find the same
        return self.held[name]


class Opening:
    """Says which videos are open.

    Args:
        availability: When each video may be shown.
        filters: Which videos have which values.
        n_videos: Of the catalogue.
    """

    def __init__(self, availability: Availability, filters: VideoFilters, n_videos: int) -> None:
        self._availability, self._filters, self._n = availability, filters, n_videos
        self._kept: OrderedDict[tuple[object, ...], OpenVideos] = OrderedDict()
        self._changing = threading.Lock()

    def at(self, moment: int, given: Given) -> OpenVideos:
        """Return what is open at a moment, µs since the epoch, under the filters of a request.

        Raises:
            ConfigError: There is no such column, or a range ends nowhere.
        """
        turn = self._availability.turn(moment)
        key = (turn, *(json.dumps(one, sort_keys=True) for one in (given.filters, *given.allowed)))
        with self._changing:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = OpenVideos(self._allowed(moment, given), {})
        with self._changing:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _allowed(self, moment: int, given: Given) -> Allowed:
        marks = np.ones(self._n, dtype=np.bool_)
        marks[self._availability.closed(moment)] = False
        if given.filters:
            marks &= self._filters.passing(given.filters)
        if given.allowed:
            marks &= self._filters.passing_all(given.allowed)
        return Allowed.of(marks)
