"""Feedback: each event is checked by itself, and what is accepted is on the disk before the answer.

Accepting costs one fsync. Requests that arrive while one commit is under way share the next (group
commit), so that sixteen clients pay about two fsyncs and not sixteen; a thread does it, and the
event loop goes on serving slates.
"""

import asyncio
import hashlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kinoloop.data.times import EXPECTED, read_time
from kinoloop.errors import DataError
from kinoloop.schema import EVENT_KINDS, MAX_ID_CHARACTERS
from serving.state import LiveEvent, LiveState

logger = logging.getLogger(__name__)

GROUP = 256  # requests in one commit at most, to bound what a commit holds up


class Rejection(NamedTuple):
    """Why one event was not taken.

    Attributes:
        position: In the request, from 0.
        field: What is wrong with it.
        reason: Code, such as `unknown_video`.
        expected: What would have been right.
    """

    position: int
    field: str
    reason: str
    expected: str


class _WrongError(Exception):
    """One field of one event is wrong: (field, reason, expected)."""


def check_events(
    events: Sequence[Any],
    *,
    pseudonym: Callable[[str], str],
    known_video: Callable[[str], bool],
    clock_skew_s: float,
) -> tuple[list[LiveEvent], list[str], list[Rejection]]:
    """Split events into good ones and rejections.

    Args:
        events: As they came, parsed JSON.
        pseudonym: Of a user id.
        known_video: Whether the release in service knows a video id.
        clock_skew_s: How far in the future a timestamp may lie.

    Returns:
        The good events, the raw user id of each, and the rejections.
    """
    good: list[LiveEvent] = []
    user_ids: list[str] = []
    rejections: list[Rejection] = []
    now = time.time()
    latest = round((now + clock_skew_s) * 1e6)
    for position, event in enumerate(events):
        try:
            accepted, user_id = _accept(event, pseudonym, known_video, now=now, latest=latest)
        except _WrongError as wrong:
            rejections.append(Rejection(position, *wrong.args))
        else:
            good.append(accepted)
            user_ids.append(user_id)
    return good, user_ids, rejections


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

    async def write(self, events: Sequence[LiveEvent], user_ids: Sequence[str]) -> None:
        """Return when the events are on the disk.

        Raises:
            sqlite3.Error: They could not be written; nothing of this request was.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.put(_Waiting(events, user_ids, loop, written))
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
                [user_id for request in requests for user_id in request.user_ids],
            )
        except sqlite3.Error as err:
            logger.exception("%d feedback requests could not be written", len(requests))
            error = err
        for request in requests:
            request.loop.call_soon_threadsafe(_settle, request.written, error)


class _Waiting(NamedTuple):
    events: Sequence[LiveEvent]
    user_ids: Sequence[str]
    loop: asyncio.AbstractEventLoop
    written: "asyncio.Future[None]"


def _settle(written: "asyncio.Future[None]", error: sqlite3.Error | None) -> None:
    if written.cancelled():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)


def _accept(
    event: object,
    pseudonym: Callable[[str], str],
    known_video: Callable[[str], bool],
    *,
    now: float,
    latest: int,
) -> tuple[LiveEvent, str]:
    """Check one event, field by field; the event and the raw user id."""
    if not isinstance(event, Mapping):
        raise _WrongError("event", "not_an_object", 'an object like {"user_id": …}')
    user_id = _identifier(event, "user_id")
    video_id = _identifier(event, "video_id")
    if not known_video(video_id):
        raise _WrongError("video_id", "unknown_video", "a video of the dataset in service")
    kind = event.get("event")
    if kind not in EVENT_KINDS:
        raise _WrongError("event", "unknown_event", f"one of {', '.join(EVENT_KINDS)}")
    watch_s = _number(event, "watch_s")
    if watch_s is not None and watch_s < 0:
        raise _WrongError("watch_s", "negative", "seconds watched, 0 or more")
    value = _number(event, "value")
    if kind == "rating" and value is None:
        raise _WrongError("value", "missing", "the stars of a rating, a number")
    timestamp = _timestamp(event.get("timestamp"), now)
    if timestamp > latest:
        raise _WrongError("timestamp", "in_the_future", "a time that has passed, in UTC")
    if timestamp < 0:
        raise _WrongError("timestamp", "before_1970", "a time after 1970-01-01, in UTC")
    told = (pseudonym(user_id), video_id, kind, watch_s, value, timestamp)
    event_id = hashlib.sha256(repr(told).encode()).hexdigest()[:32]
    return LiveEvent(event_id, *told), user_id


def _identifier(event: Mapping[str, Any], field: str) -> str:
    value = event.get(field)
    if value is None or value == "":
        raise _WrongError(field, "missing", "a non-empty string")
    if not isinstance(value, str):
        raise _WrongError(field, "not_a_string", "a string")
    if len(value) > MAX_ID_CHARACTERS:
        raise _WrongError(field, "too_long", f"at most {MAX_ID_CHARACTERS} characters")
    return value


def _number(event: Mapping[str, Any], field: str) -> float | None:
    value = event.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongError(field, "not_a_number", "a number")
    if not abs(value) < 1e9:  # refuses NaN and infinity, too
        raise _WrongError(field, "out_of_range", "a number below a thousand million")
    return float(value)


def _timestamp(value: object, now: float) -> int:
    """µs since the epoch, by the rules of the landing zone."""
    if value is None:
        return round(now * 1e6)
    try:
        return read_time(value)
    except DataError as err:
        raise _WrongError("timestamp", "unparsable", EXPECTED) from err
