"""Reading what people write: texts become vectors, beside the requests and never before an answer.

Accepted texts lie in the live state (serving/unread.py). A thread per worker reads them a few at a
time, and lets a search go first between two pieces; one worker reads at a time, under a file lock
that dies with its owner. Whoever asks for a slate before the thread has come so far has the few
texts of that user read first: load may change how long an answer takes, never what it is.

A query of `/search` is read already when its answer is there. It counts at once at this worker,
from memory, and goes to the disk when the disk takes it.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kinoloop.release.slate import Slate
from serving import metrics
from serving.slates import AskedSearch
from serving.state import STATE_ERRORS, LiveState, People
from serving.unread import Unread
from serving.written import Line, read, searched, surplus_of

if TYPE_CHECKING:
    from kinoloop.release.texts import Texts
    from serving.in_service import InService

logger = logging.getLogger(__name__)

PIECE = 4
"""Texts that are read at once: a search waits as long."""
MOST = 10_000
"""Texts in memory at most, of all users, while the disk takes none."""
LOOK_S, RETRY_S = 1.0, 2.0
WRITE_S = 0.2
"""That the answer of a search waits for the disk at most, so that other workers know of it."""


class Reading:
    """Reads what users wrote, in a thread of its own once it is started.

    Args:
        state: Where texts wait and vectors go.
    """

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._memory = _Memory()
        self._turn = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._behind = self._unwiped = False
        self._current: Callable[[], InService | None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    def start(self, current: "Callable[[], InService | None]") -> None:
        """Begin to read.

        Args:
            current: Returns the release in service.
        """
        self._current = current
        self._thread.start()

    def close(self) -> None:
        """Write what was read and end the thread; what is unread waits on the disk."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def not_written(self, users: Sequence[str], space: str) -> list[Line]:
        """Return what the ids of a person wrote that is in no live state yet."""
        return [line for line in self._memory.of(users) if line.space == space]

    async def searched(self, user: str, asked: AskedSearch, slate: Slate, texts: "Texts") -> None:
        """Take a query that was answered: it counts in the next slate of the user.

        Args:
            user: Pseudonym.
            asked: The question.
            slate: The answer.
            texts: Of the release that answered.
        """
        line = searched(user, asked.query, slate.asked, texts.space, at=asked.moment)
        if line is None:
            return
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._keep([line], lambda: loop.call_soon_threadsafe(_resolve, written))
        if not self._behind:
            done, _ = await asyncio.wait([written], timeout=WRITE_S)
            self._behind = not done

    async def catch_up(self, user: str, texts: "Texts", *, people: People) -> People:
        """Read what the person that a user is wrote, where that waits.

        Args:
            user: Pseudonym.
            texts: Of the release that answers.
            people: What is known of the person.

        Returns:
            What is known now.
        """
        if not texts.space or not self._waiting(people.ids_of(user), texts.space, people):
            return people
        await asyncio.to_thread(self.read_of, user, texts)
        return self._state.about(user)

    def read_of(self, user: str, texts: "Texts") -> None:
        """Read what the person that a user is wrote, where that waits, in this thread."""
        users = self._state.ids_of(user)
        while True:
            with self._turn:  # of this worker, one reads at a time
                piece = self._waiting(users, texts.space, self._state)[:PIECE]
                if not piece:
                    return
                lines = self._read(piece, texts)
                self._unwiped = True
                self._keep(lines)
                if len(lines) < len(piece):
                    return  # the thread erases what cannot be read

    def _keep(self, lines: Sequence[Line], written: Callable[[], object] | None = None) -> None:
        if left_out := self._memory.add(lines, written):
            metrics.TEXTS.labels("queue_full").inc(left_out)
            logger.warning("%d texts count no more: the disk has taken none for long", left_out)
        self._wake.set()

    def _waiting(self, users: Sequence[str], space: str, people: People) -> list[Unread]:
        read_before = {line.event_id for line in self._memory.of(users)}
        found = people.unread_of(users, space)
        return [text for text in found if text.event_id not in read_before]

    def _read(self, piece: Sequence[Unread], texts: "Texts") -> list[Line]:
        try:
            lines = read(piece, texts)
        except Exception:
            if len(piece) > 1:  # one of them may be at fault, and not the others
                return [line for text in piece for line in self._read([text], texts)]
            logger.exception("a text could not be read")
            lines = []
        metrics.TEXTS.labels("read").inc(len(lines))
        metrics.TEXTS.labels("fault").inc(len(piece) - len(lines))
        return lines

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(LOOK_S)
            self._wake.clear()
            if not self._round():
                self._stop.wait(RETRY_S)
        self._round()
        self._state.close()

    def _round(self) -> bool:
        """Write what is in memory and read what waits; whether the disk took it."""
        try:
            self._write()
            with self._state.alone("reading") as mine:  # else another worker is at it
                while mine and not self._stop.is_set() and self._read_piece():
                    self._write()
        except STATE_ERRORS:
            self._behind = True
            metrics.TEXTS.labels("disk").inc()
            logger.exception("texts could not be written; they stay in memory and on the disk")
            return False
        except Exception:
            logger.exception("texts could not be read; trying again")
            return False
        return True

    def _write(self) -> None:
        lines, written = self._memory.content()
        if lines:
            self._state.keep_written(lines)
            self._memory.take_out(lines)
        self._behind = False
        for told in written:
            with suppress(RuntimeError):  # its loop has ended
                told()

    def _read_piece(self) -> bool:
        """Read the texts that have waited longest; whether there were any."""
        current = self._current()
        if current is None:
            return False
        texts = current.release.texts
        if left := self._state.unread_left_over(texts.space):
            self._state.erase_unread(left)
        with self._turn:
            piece = self._state.unread_longest(texts.space, at_most=PIECE)
            lines = self._read(piece, texts) if piece else []
        self._keep_read(piece, lines)
        return bool(piece)

    def _keep_read(self, piece: Sequence[Unread], lines: Sequence[Line]) -> None:
        if lines:
            self._state.keep_written(lines)
        read_before = {line.event_id for line in lines}
        if left_out := [text for text in piece if text.event_id not in read_before]:
            self._state.erase_unread(left_out)
        if piece:
            self._unwiped = True
        elif self._unwiped:
            self._state.wipe()  # the words stay in the log until it is emptied
            self._unwiped = False


class _Memory:
    """What was read and is not on the disk yet, of each user as much as may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, list[Line]] = {}
        self._written: list[Callable[[], object]] = []

    def add(self, lines: Sequence[Line], written: Callable[[], object] | None) -> int:
        """Keep lines, and whom to tell when they are written; how many others were left out."""
        with self._lock:
            for line in lines:
                mine = [line, *self._lines.pop(line.user, [])]
                mine.sort(key=lambda one: -one.timestamp)
                old = set(surplus_of([one for one in mine if one.space == line.space]))
                self._lines[line.user] = [one for one in mine if one not in old]
            if written is not None:
                self._written.append(written)
            left_out = 0
            while sum(map(len, self._lines.values())) > MOST:
                left_out += len(self._lines.pop(next(iter(self._lines))))
            return left_out

    def of(self, users: Sequence[str]) -> list[Line]:
        """Lines of some users."""
        with self._lock:
            return [line for user in users for line in self._lines.get(user, ())]

    def content(self) -> tuple[list[Line], list[Callable[[], object]]]:
        """All lines, and whom to tell when they are written; those are told once."""
        with self._lock:
            written, self._written = self._written, []
            return [line for lines in self._lines.values() for line in lines], written

    def take_out(self, lines: Sequence[Line]) -> None:
        """Forget lines that are written."""
        gone = set(lines)
        with self._lock:
            for user in {line.user for line in lines}:
                left = [line for line in self._lines.pop(user, []) if line not in gone]
                if left:
                    self._lines[user] = left


def _resolve(written: "asyncio.Future[None]") -> None:
    if not written.done():
        written.set_result(None)
