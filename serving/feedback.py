"""Feedback: what is accepted (serving/event_check.py) is on the disk before the answer.

Checking costs some milliseconds and accepting one fsync. Requests that arrive while others are at
it share the next round (group commit), so that sixteen clients pay for about two and not sixteen;
a thread does it, and the event loop goes on serving slates.
"""

import asyncio
import logging
import queue
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from serving.event_check import Checked, EventCheck, Rejection, Videos
from serving.state import STATE_ERRORS, LiveState
from serving.unread import texts_of

logger = logging.getLogger(__name__)

GROUP, GROUP_EVENTS = 256, 4096  # in one commit at most, to bound what a commit holds up


class Receipt(NamedTuple):
    """What became of a request's events.

    Attributes:
        accepted: How many are on the disk.
        rejections: Of the others.
        held: Of the accepted, how many name a video that nobody knows yet.
    """

    accepted: int
    rejections: list[Rejection]
    held: int = 0


class FeedbackWriter:
    """Checks feedback and commits what is accepted, in groups, from a thread of its own.

    Args:
        state: Where to.
        check: What is accepted.
    """

    def __init__(self, state: LiveState, check: EventCheck) -> None:
        self._state, self._check = state, check
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self._thread.start()

    async def take(self, events: Sequence[Any], videos: Videos | None) -> Receipt:
        """Return when the events are checked, and the good ones on the disk.

        Args:
            events: As they came, parsed JSON.
            videos: Of the release in service; None without one.

        Raises:
            STATE_ERRORS: They could not be written; nothing of this request was.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.put(_Waiting(events, videos, loop, done))
        return await done

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group = [self._waiting.get()]
            while not self._waiting.empty() and not _full(group):
                group.append(self._waiting.get())
            open_ = None not in group
            of_release: dict[int, list[_Waiting]] = {}
            for request in filter(None, group):
                key = 0 if request.videos is None else id(request.videos.ids)
                of_release.setdefault(key, []).append(request)
            for requests in of_release.values():
                self._handle(requests)
        self._state.close()

    def _handle(self, requests: "list[_Waiting]") -> None:
        """Check and commit requests that were made of one release."""
        events = [event for request in requests for event in request.events]
        try:
            videos = requests[0].videos
            checked = self._check.sort_out(events, videos)
            if checked.events:
                taken = (checked.events, checked.parcels)
                texts = texts_of(*taken, None if videos is None else videos.texts)
                self._state.record(*taken, checked.persons, texts)
        except STATE_ERRORS as error:
            logger.warning("%d feedback requests could not be written: %s", len(requests), error)
            for request in requests:
                _settle(request, error)
        except Exception as error:
            if len(requests) == 1:
                logger.exception("a feedback request could not be checked")
                _settle(requests[0], error)
                return
            for request in requests:  # a fault of one does not concern the others
                self._handle([request])
        else:
            _give_out(requests, checked)


class _Waiting(NamedTuple):
    events: Sequence[Any]
    videos: Videos | None
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Receipt]"


def _full(group: "Sequence[_Waiting | None]") -> bool:
    return len(group) >= GROUP or sum(len(one.events) for one in group if one) >= GROUP_EVENTS


def _give_out(requests: "Sequence[_Waiting]", checked: Checked) -> None:
    """Tell each request its part of what came of all together."""
    wrong_at = [rejection.position for rejection in checked.rejections]
    start = 0
    for request in requests:
        stop = start + len(request.events)
        accepted = bisect_left(checked.positions, stop) - bisect_left(checked.positions, start)
        wrong = checked.rejections[bisect_left(wrong_at, start) : bisect_left(wrong_at, stop)]
        mine = [one._replace(position=one.position - start) for one in wrong]
        held = bisect_left(checked.held, stop) - bisect_left(checked.held, start)
        _settle(request, Receipt(accepted, mine, held))
        start = stop


def _settle(request: _Waiting, outcome: Receipt | Exception) -> None:
    """Tell a request, in its own loop, what came of it."""

    def resolve() -> None:
        if request.done.cancelled():
            return
        if isinstance(outcome, Exception):
            request.done.set_exception(outcome)
        else:
            request.done.set_result(outcome)

    request.loop.call_soon_threadsafe(resolve)
