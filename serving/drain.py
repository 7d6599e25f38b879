"""SIGTERM without a lost request: say goodbye first, stop when nobody is left.

uvicorn closes at once every connection that looks idle, also those whose next request is on its
way: every client that keeps connections open saw a reset. So the signal is held back: `/readyz`
turns 503, answers carry `connection: close`, a connection that stays idle runs into its keep-alive
time as on any other day, and the server is stopped once no connection has been seen for a while,
after `longest_s` at the latest. A second SIGTERM, and Ctrl-C, stop at once.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from types import FrameType

from serving.connections import Connections

LOOK_S = 0.1
QUIET_LOOKS = 10
"""Looks in a row that find no connection, open or opened and closed since the look before. They are
counted, not timed: while the machine does not let this process run, its clients do not run out of
patience either, and what they have sent waits to be accepted."""


class Drain:
    """Stands between SIGTERM and the server.

    Args:
        connections: Those of this process.
        longest_s: How long a service goes on that is not left by its clients.
    """

    def __init__(self, connections: Connections, *, longest_s: float) -> None:
        self._connections, self._longest_s = connections, longest_s
        self._quiet_looks = self._admitted = 0
        self._until = 0.0
        self._stop: Callable[[], object] = lambda: None

    @property
    def begun(self) -> bool:
        """Whether SIGTERM came."""
        return self._connections.draining

    def watch(self) -> None:
        """Take the place of the server's handler; on the main thread, with the loop running."""
        loop = asyncio.get_running_loop()
        server = signal.getsignal(signal.SIGTERM)

        def received(number: int, frame: FrameType | None) -> None:
            self._stop = lambda: server(number, frame) if callable(server) else None
            if self.begun:
                self._stop()
                return
            self._connections.draining = True
            self._until = time.monotonic() + self._longest_s
            loop.call_soon_threadsafe(self._look, loop)

        signal.signal(signal.SIGTERM, received)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        quiet = not self._connections.open and self._connections.admitted == self._admitted
        self._admitted = self._connections.admitted
        self._quiet_looks = self._quiet_looks + 1 if quiet else 0
        if self._quiet_looks >= QUIET_LOOKS or time.monotonic() >= self._until:
            self._stop()
        else:
            loop.call_later(LOOK_S, self._look, loop)
