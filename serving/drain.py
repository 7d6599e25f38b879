"""SIGTERM without a lost request: say goodbye first, leave when nobody is talking any more.

uvicorn closes at once every connection that looks idle, also those whose next request lies unread
in the socket buffer: under load, every client saw a reset. So the signal is held back: `/readyz`
turns 503, answers carry `connection: close`, and the server is stopped once no request came for
`QUIET_S`, after `longest_s` at the latest. A second SIGTERM, and Ctrl-C, stop at once.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from types import FrameType

QUIET_S = 0.5
TICK_S = 0.1


class Drain:
    """Stands between SIGTERM and the server.

    Args:
        longest_s: How long a busy service goes on answering.
    """

    def __init__(self, *, longest_s: float) -> None:
        self.begun = False
        self._longest_s = longest_s
        self._last_request = self._until = 0.0
        self._stop: Callable[[], object] = lambda: None

    def watch(self) -> None:
        """Take the place of the server's handler; on the main thread, with the loop running."""
        loop = asyncio.get_running_loop()
        server = signal.getsignal(signal.SIGTERM)

        def received(number: int, frame: FrameType | None) -> None:
            self._stop = lambda: server(number, frame) if callable(server) else None
            if self.begun:
                self._stop()
                return
            self.begun = True
            self._last_request = time.monotonic()
            self._until = self._last_request + self._longest_s
            loop.call_soon_threadsafe(self._look, loop)

        signal.signal(signal.SIGTERM, received)

    def request(self) -> None:
        """A request came."""
        self._last_request = time.monotonic()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        if now - self._last_request >= QUIET_S or now >= self._until:
            self._stop()
        else:
            loop.call_later(TICK_S, self._look, loop)
