"""Admission: requests start one at a time, in order; what would wait too long is refused at once.

An answer is arithmetic on the event loop, so requests that start together only make each other
late, and what waits in the loop can neither be counted nor refused. Here they wait in a queue of
their own. Between two starts the loop gets round once, so that a refusal is on its way within
about one answer's time, however long the queue is.

How long the queue may be depends on whether it can be worked off: a burst may wait (`longest`), but
while markedly more arrive than are finished, all that waiting buys is latency, and the queue is
kept short (`longest_overloaded`). Both are counted in requests: no clock decides, so a slow or a
busy machine decides as a fast one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.problems import Problem

logger = logging.getLogger(__name__)

WINDOW = 128
"""Arrivals after which they are held against what was finished meanwhile."""

EXCESS = 1.5
"""More arrivals than that for each request finished is overload; clients that each wait for their
answer before they ask again stay below it."""

CALM = 16
"""Arrivals in a row that find nobody waiting, after which an overload is over."""

UNDER_WAY = 256
"""Requests that have started and wait for something, such as the disk, at most."""


ROUNDS, GIVEN = 6, 24
"""Rounds of the loop between two pieces of a long work: in the first ones what has arrived is read
and answered, in the others those that wait are, one in two rounds."""


class Admission:
    """The queue of one worker.

    Args:
        longest: Requests that may wait.
        longest_overloaded: The same in overload.
    """

    def __init__(self, *, longest: int, longest_overloaded: int) -> None:
        self._longest, self._short = longest, min(longest, longest_overloaded)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._under_way = 0
        self._turn_taken = False
        self._arrived = self._finished = self._calm = 0
        self.overloaded = False

    @property
    def full(self) -> bool:
        """Whether one more request would be refused."""
        return len(self._waiting) >= (self._short if self.overloaded else self._longest)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._under_way and not self._waiting

    def arrived(self) -> None:
        """Count a request that came, admitted or not."""
        self._arrived += 1
        self._calm = 0 if self._waiting else self._calm + 1
        if self._calm == CALM:
            self._judge(overloaded=False)
        elif self._arrived == WINDOW:
            self._judge(overloaded=self._finished * EXCESS < self._arrived)

    def _judge(self, *, overloaded: bool) -> None:
        self._arrived = self._finished = self._calm = 0
        if overloaded != self.overloaded:
            self.overloaded = overloaded
            logger.warning("overload %s", "begins" if overloaded else "ends")
        if overloaded:
            while len(self._waiting) > self._short:  # the newest have waited least for nothing
                newest = self._waiting.pop()
                if not newest.done():
                    newest.set_exception(busy())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until it is this request's turn.

        Raises:
            Problem: 429, the queue is full.
        """
        self.arrived()
        if self.full:
            raise busy()
        if self._turn_taken or self._waiting or self._under_way >= UNDER_WAY:
            await self._wait()
        self._turn_taken = True
        self._under_way += 1
        loop = asyncio.get_running_loop()
        loop.call_soon(self._next)
        try:
            yield
        finally:
            self._under_way -= 1
            self._finished += 1
            if not self._turn_taken:
                self._next()

    async def give_way(self, works: int = 1) -> None:
        """Let requests that came meanwhile be answered, so many at most; for work in pieces.

        Args:
            works: How many such works have a turn.
        """
        for turn in range(1, GIVEN + 1):
            await asyncio.sleep(0)
            if turn >= ROUNDS and not self._waiting and self._under_way <= works:
                return

    async def _wait(self) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.cancelled():  # cancelled after its turn had come: hand it on
                self._next()
            raise

    def _next(self) -> None:
        self._turn_taken = False
        while self._waiting and self._under_way < UNDER_WAY and not self._turn_taken:
            oldest = self._waiting.popleft()
            if not oldest.done():  # its client may have left
                oldest.set_result(None)
                self._turn_taken = True


def busy() -> Problem:
    """429: more requests than the service can answer."""
    return Problem(
        "overloaded",
        "more requests come than the service can answer",
        expected="fewer requests at a time",
        next_step="try again after the seconds that Retry-After says",
        headers={"Retry-After": "1"},
    )
