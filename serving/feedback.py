"""Feedback: what is accepted (serving/event_check.py) is on the disk before the answer.

Accepting costs one fsync. Requests that arrive while one commit is under way share the next (group
commit), so that sixteen clients pay about two fsyncs and not sixteen; a thread does it, and the
event loop goes on serving slates.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Sequence
from typing import NamedTuple

from serving.state import LiveEvent, LiveState, Parcel

logger = logging.getLogger(__name__)

GROUP = 256  # requests in one commit at most, to bound what a commit holds up


class FeedbackWriter:
    """Commits accepted feedback in groups, from a thread of its own.

    Args:
        state: Where to.
    """

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
        self._thread.start()

    async def write(self, events: Sequence[LiveEvent], parcels: Sequence[Parcel]) -> None:
        """Return when the events are on the disk.

        Raises:
            sqlite3.Error: They could not be written; nothing of this request was.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.put(_Waiting(events, parcels, loop, written))
        await written

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group = [self._waiting.get()]
            while len(group) < GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            open_ = None not in group
            requests = [request for request in group if request is not None]
            if requests:
                self._commit(requests)
        self._state.close()

    def _commit(self, requests: "list[_Waiting]") -> None:
        error: sqlite3.Error | None = None
        try:
            self._state.record(
                [event for request in requests for event in request.events],
                [parcel for request in requests for parcel in request.parcels],
            )
        except sqlite3.Error as err:
            logger.exception("%d feedback requests could not be written", len(requests))
            error = err
        for request in requests:
            request.loop.call_soon_threadsafe(_settle, request.written, error)


class _Waiting(NamedTuple):
    events: Sequence[LiveEvent]
    parcels: Sequence[Parcel]
    loop: asyncio.AbstractEventLoop
    written: "asyncio.Future[None]"


def _settle(written: "asyncio.Future[None]", error: sqlite3.Error | None) -> None:
    if written.cancelled():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
