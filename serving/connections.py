"""The connections of a worker: how many there may be, and which of them is closed for another.

A connection costs a file descriptor, and the state, the export and the release need some, too. So
the bound is what the process may open less a reserve. A new connection beyond it takes the place of
the one that has been idle for longest, whether it is between two requests or has never finished the
headers of its first: a client that only holds sockets open keeps nobody out. One that has sent
something which this process has had no time to read is not idle, however long it took; while there
are only such, a few more than the bound are let in.
"""

import asyncio
import logging
import resource
import select
from itertools import islice
from typing import Protocol

logger = logging.getLogger(__name__)

BURST = 32
"""Connections beyond the bound, while all that might be idle have sent something unread; they are
part of what is reserved."""

LOOKS = 32
"""Idle connections that are looked at for one that has sent nothing."""

RESERVED = 256
"""Descriptors for databases, files, the release and the connections that are being accepted."""


class OpenConnection(Protocol):
    """What is asked of a connection."""

    transport: asyncio.Transport

    def drop(self) -> None:
        """Close it at once."""


class Connections:
    """Counts the connections of this process and knows which are idle, oldest first.

    Args:
        most: Connections at a time; the limit of the process may allow fewer.
    """

    def __init__(self, most: int) -> None:
        self.most = min(most, max(_descriptors() - RESERVED, 8))
        self.open: set[OpenConnection] = set()
        self._idle: dict[OpenConnection, None] = {}
        self.admitted = 0
        self.draining = False
        if self.most < most:
            logger.warning(
                "at most %d connections instead of [serving] max_connections = %d: this process "
                "may open no more files; raise the hard limit (ulimit -Hn)",
                self.most,
                most,
            )

    def admit(self, connection: OpenConnection) -> bool:
        """Count a new connection; False where there is room for no more."""
        if len(self.open) >= self.most:
            oldest = self._idlest()
            if oldest is not None:
                self.forget(oldest)
                oldest.drop()
            elif not self._idle or len(self.open) >= self.most + BURST:
                return False
        self.admitted += 1
        self.open.add(connection)
        self.idle(connection)
        return True

    def _idlest(self) -> OpenConnection | None:
        """Find the one that has been idle for longest; who turns out to have asked goes last."""
        for connection in list(islice(self._idle, LOOKS)):
            if not _unread(connection.transport):
                return connection
            self._idle[connection] = self._idle.pop(connection)
        return None

    def idle(self, connection: OpenConnection) -> None:
        """Note that it waits for a request from now on."""
        if connection in self.open:
            self._idle[connection] = None

    def busy(self, connection: OpenConnection) -> None:
        """Its request has arrived."""
        self._idle.pop(connection, None)

    def forget(self, connection: OpenConnection) -> None:
        """Note that it is closed."""
        self.open.discard(connection)
        self.busy(connection)


def _unread(transport: asyncio.Transport) -> bool:
    """Whether something has come that was not read yet."""
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _descriptors() -> int:
    """How many files this process may open, after asking for as many as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20
