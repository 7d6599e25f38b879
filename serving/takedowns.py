"""Takedowns that cannot wait for the landing zone: what operators say of a video's availability.

It is kept in the live state, so it is durable before it is acknowledged and shared by all workers:
each looks, before it answers, whether somebody wrote (at most ten times a second, 10 µs), and lets
what was said overrule the rows of its release. Once a catalogue version in service says the same,
the landing zone has caught up and decides again; until then, what operators said holds for every
release.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, AwareDatetime, ConfigDict

from kinoloop.release.availability import NEVER, Window
from serving.background import yield_to_requests
from serving.messages import Body
from serving.state import STATE_ERRORS, LiveState

if TYPE_CHECKING:
    from serving.in_service import InService

logger = logging.getLogger(__name__)

LOOK_S, SETTLE_S = 0.1, 0.5


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as err:
        raise ValueError("this is before year 1 or after year 9999 in UTC") from err


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class AvailabilityPatch(Body):
    """What of a video's availability is to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    available_from: Moment | None = None
    available_until: Moment | None = None
    hidden: bool | None = None

    def over(self, window: Window) -> Window:
        """Return a window with what is named here changed; null lifts a bound."""
        named = self.model_fields_set
        opens = _micros(self.available_from, 0) if "available_from" in named else window.opens
        closes = _micros(self.available_until, NEVER) if "available_until" in named else None
        hidden = bool(self.hidden) if "hidden" in named else window.hidden
        return Window(opens, window.closes if closes is None else closes, hidden)


class Takedowns:
    """Keeps what operators said, and every release of this worker in line with it.

    Args:
        state: Shared by all workers.
        current: The release in service of this worker.
    """

    def __init__(self, state: LiveState, current: "Callable[[], InService | None]") -> None:
        self._state, self._current = state, current
        self._seen, self._next_look = threading.local(), 0.0
        self._said = state.availability()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="takedowns", daemon=True)

    def start(self) -> None:
        """Follow what other workers are told."""
        self._thread.start()

    def close(self) -> None:
        """Follow no longer."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def say(self, video_id: str, change: Callable[[Window], Window]) -> Window:
        """Change when a video may be shown; it is on the disk and holds here when this returns.

        Args:
            video_id: External id; it may be one that the release does not know yet.
            change: Makes the new window out of the one in force.
        """

        def changed(said: Window | None) -> Window:
            return change(self._of_row(video_id) if said is None else said)

        window = self._state.say_availability(video_id, changed, at=time.time_ns() // 1000)
        self._said = self._state.availability()
        current = self._current()
        if current is not None:
            self.apply(current)
        return window

    def apply(self, current: "InService") -> None:
        """Let what operators said overrule the rows of a release."""
        overrule(current, self._said)

    def agree(self, current: "InService") -> int:
        """Drop what the catalogue version in service says by itself; how many."""
        if not current.catalogue:  # a model's own catalogue is older than what operators said
            return 0
        release, agreed = current.release, {}
        for video_id, window in self._said.items():
            index = release.catalogue.ids.index(video_id)
            if index >= 0 and release.availability.agrees(index, window):
                agreed[video_id] = window
        if agreed:
            self._state.settle_availability(agreed)
            logger.info("the landing zone has caught up with %d takedowns", len(agreed))
        return len(agreed)

    def _of_row(self, video_id: str) -> Window:
        current = self._current()
        index = -1 if current is None else current.release.catalogue.ids.index(video_id)
        return (
            Window() if current is None or index < 0 else current.release.availability.said(index)
        )

    def look(self) -> None:
        """See what other workers were told; called before an answer, and when nobody asks.

        Where the live state cannot be read, what was said before holds on: an answer that needs
        nothing else of it does not fail.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        with suppress(*STATE_ERRORS):
            self._look()

    def _look(self) -> None:
        version = self._state.availability_version()
        if version == getattr(self._seen, "version", None):  # as this thread sees it
            return
        self._seen.version = version
        said = self._state.availability()
        if said != self._said:
            self._said = said
            current = self._current()
            if current is not None:
                self.apply(current)

    def _follow(self) -> None:
        yield_to_requests()
        settled = -1
        while not self._stop.wait(SETTLE_S):
            try:
                self.look()
                current = self._current()
                if current is not None and id(current) != settled:
                    settled = id(current)
                    self.agree(current)
            except Exception:
                logger.exception("what operators said could not be read; trying again")
        self._state.close()


def overrule(current: "InService", said: Mapping[str, Window]) -> None:
    """Let what operators said overrule the rows of a release; of videos it does not know, nothing.

    Args:
        current: The release.
        said: By external id.
    """
    release = current.release
    found = {release.catalogue.ids.index(video): window for video, window in said.items()}
    release.availability.overrule({i: window for i, window in found.items() if i >= 0})


def _micros(moment: datetime | None, missing: int) -> int:
    return missing if moment is None else (moment - EPOCH) // timedelta(microseconds=1)
