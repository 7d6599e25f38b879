"""The transport that a request writes to: closing it is for its connection to do.

The head of an answer of known length waits for its body, which uvicorn writes at once: one call of
the system for both, one packet, and a client that wakes once.
"""

import asyncio
from typing import Final, Protocol

_LENGTH: Final = b"\r\ncontent-length: "
"""In the head of such an answer, as uvicorn writes it."""
_CONTINUE: Final = b"HTTP/1.1 100 "


class Connection(Protocol):
    """What is asked of a connection."""

    transport: asyncio.Transport

    def close(self) -> None:
        """Close it after an answer."""


class AnswerTransport:
    """What one request writes to.

    Args:
        connection: Whose request it is.
        bodiless: Whether no body follows any head, as for a HEAD request: nothing is waited for.
    """

    def __init__(self, connection: Connection, *, bodiless: bool = False) -> None:
        self.close = connection.close
        self.is_closing = connection.transport.is_closing
        self._write = connection.transport.write
        self._head, self._begun = b"", bodiless

    def write(self, data: bytes) -> None:
        """Write a head, or a piece of a body."""
        if self._begun:
            self._write(data)
        elif self._head:
            self._begun = True
            self._write(self._head + data)
        elif _LENGTH in data:
            self._head = data
        else:
            self._begun = not data.startswith(_CONTINUE)
            self._write(data)
