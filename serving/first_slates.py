"""Upload to first impression: how long a new video takes from landing to its first slate.

A catalogue version says when each of its new videos landed and passed the stations since. The first
answer of any worker that holds such a video ends its way: that moment is kept in the live state, so
that it is one, and the way is counted in `/metrics`. A request pays a look into a small set.
"""

import logging
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinoloop.data.arrivals import STAMPS
from serving import metrics
from serving.background import yield_to_requests
from serving.state import STATE_ERRORS, LiveState

if TYPE_CHECKING:
    from serving.in_service import InService

logger = logging.getLogger(__name__)

SETTLE_S = 1.0
NEWEST = 60
"""Uploads whose ways the page shows."""

_UNTIL = dict(zip(STAMPS[1:], ("ingest", "extract", "publish"), strict=True))


class FirstSlates:
    """Notes the first slate of each new video.

    Args:
        state: Shared by all workers.
    """

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._met: dict[str, tuple[int, dict[str, int]]] = {}
        self._known: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="first slates", daemon=True)

    def start(self) -> None:
        """Keep what is met, once per second."""
        self._thread.start()

    def close(self) -> None:
        """Keep what was met and end."""
        self._stop.set()
        self._thread.join()

    def meet(self, current: "InService", videos: Iterable[str]) -> None:
        """Note what a slate shows; called for each answer."""
        arrivals = current.arrivals
        if not arrivals:
            return
        for video_id in arrivals.keys() & videos:
            if video_id not in self._known:
                self._known.add(video_id)
                self._met[video_id] = (time.time_ns() // 1000, arrivals[video_id])

    def settle(self) -> int:
        """Keep what was met and count what nobody met before; how many."""
        first = 0
        while self._met:
            video_id, (at, stamps) = self._met.popitem()
            if self._state.first_slate(video_id, at, _seconds(stamps, at)):
                first += 1
                _count({**stamps, "first_slate": at})
        return first

    def newest(self) -> list[float]:
        """Seconds from landing to first slate of the newest uploads, newest first."""
        return [round(seconds, 1) for seconds in self._state.newest_first_slates(NEWEST)]

    def _run(self) -> None:
        yield_to_requests()
        while not self._stop.wait(SETTLE_S):
            self._settle_or_say()
        self._settle_or_say()
        self._state.close()

    def _settle_or_say(self) -> None:
        try:
            self.settle()
        except STATE_ERRORS:
            logger.exception("first slates could not be kept; those that wait are lost")


def _count(stamps: dict[str, int]) -> None:
    """Observe the way from landing to each station, seconds."""
    for name, at in stamps.items():
        if name != "landed_at":
            metrics.UPLOAD_SECONDS.labels(_UNTIL.get(name, name)).observe(_seconds(stamps, at))


def _seconds(stamps: dict[str, int], at: int) -> float:
    return max(0.0, (at - stamps["landed_at"]) / 1e6)
