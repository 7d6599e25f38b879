"""HTTP as this service speaks it: uvicorn's protocol, with clients that do not play along bounded.

What uvicorn leaves open, and no ASGI application ever sees: a client that sends its headers slowly
or never, headers without end, more connections than there are descriptors, requests beyond what
can be answered. And a client that is still sending when it is refused would lose the answer: to
close a socket with unread bytes in it resets the connection. Such a connection is closed for
writing and read empty first ("lingering close").
"""

import asyncio
import functools
from typing import Any, NamedTuple

from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving import metrics
from serving.admission import Admission, busy
from serving.answer_transport import AnswerTransport
from serving.connections import Connections
from serving.one_form import OneForm
from serving.problems import MEDIA_TYPE, Problem
from serving.request_validation import PROBES

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; an id of 2048 characters takes 24 KB there at worst."""

LINGER_S = 5.0
"""How long a refused client may be silent before its connection is closed."""

LINGER_MOST_S = 30.0
"""How long a refused client may go on sending; it is read and thrown away."""

LINGERING = 64
"""Clients for whom there was no room and who are yet listened to, at most."""


class Bounds(NamedTuple):
    """What the connections of a process share.

    Attributes:
        admission: Whether requests can be answered.
        connections: How many there may be.
        header_s: How long headers may take.
    """

    admission: Admission
    connections: Connections
    header_s: float


def install(bounds: Bounds) -> None:
    """Make the server of this process speak it.

    BentoML starts uvicorn without naming a protocol; uvicorn takes it from this table.
    """
    connect = functools.partial(BoundedProtocol, bounds=bounds)
    uvicorn_config.HTTP_PROTOCOLS["auto"] = connect  # type: ignore[assignment]


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        config: Of the server.
        server_state: Of the server.
        app_state: Of the application.
        _loop: Of the server.
        bounds: Shared by all connections.
    """

    def __init__(
        self,
        config: uvicorn_config.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: Bounds,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = OneForm(self.app)
        self.ws_protocol_class = None  # no endpoint speaks it, and it would pass by the bounds
        self._admission, self._bound, self._header_s = bounds
        self._head: asyncio.TimerHandle | None = None  # runs while headers are awaited
        self._head_bytes = 0
        self._refused = False  # the present request is
        self._lingering: asyncio.TimerHandle | None = None  # runs while a refused client is silent
        self._linger_until = 0.0

    # ---- what the transport calls ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or say that there is no room."""
        super().connection_made(transport)
        if self._bound.admit(self):
            self._await_head()
            return
        self._say(_BUSY_CLOSING, "connections")
        if len(self.connections) - len(self._bound.open) <= LINGERING:
            self._linger()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see that headers come to an end."""
        if self._lingering is not None:
            self._lingering.cancel()
            self._listen_on()
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self._lingering is not None:
            return
        if self._refused:  # and the rest of its body is still to come
            self._say(_BUSY_CLOSING, "queue")
            self._linger()
        elif self._awaits_head():
            self._await_head()
        if self._head is not None and self._head_bytes > MAX_HEAD:
            self._say(_written(_head_too_large()), "header_size")
            self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        self._unset_keepalive_if_required()
        if self._lingering is not None:
            self._lingering.cancel()
        self._bound.forget(self)
        super().connection_lost(exc)

    # ---- what the parser calls ----

    def on_headers_complete(self) -> None:
        """Start the request, or refuse it before it has cost anything."""
        self._stop_waiting()
        path = bytes(self.url).partition(b"?")[0].decode("latin-1")
        if self._admission.full and not self._under_way() and path not in PROBES:
            self._admission.arrived()
            self._refused = True
            return
        super().on_headers_complete()
        if self.cycle is not None:
            bodiless = self.cycle.scope["method"] == "HEAD"
            own = AnswerTransport(self, bodiless=bodiless)
            self.cycle.transport = own  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request has arrived whole."""
        self._head_bytes = 0
        if not self._refused:
            self._bound.busy(self)
            super().on_message_complete()
            return
        self._refused = False
        keep = self.parser.should_keep_alive() and not self._bound.draining
        self._say(_BUSY if keep else _BUSY_CLOSING, "queue")
        if keep:
            self._rest()
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the connection's next request, now that the answer is out."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._under_way():
            self._bound.idle(self)

    def _unsupported_upgrade_warning(self) -> None:
        """Pass over an upgrade that nobody offers (RFC 9110, 7.8), without a line for each."""

    def send_400_response(self, msg: str) -> None:
        """Say that it was not HTTP."""
        self._say(_written(_no_http(msg)), "no_http")
        self._linger()

    # ---- closing ----

    def drop(self) -> None:
        """Close it for another connection."""
        metrics.REFUSED.labels("idle").inc()
        self.transport.close()

    def close(self) -> None:
        """Close after an answer: at once, or once the client has stopped sending."""
        if self.cycle is not None and self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        self._stop_waiting()
        self._refused = False
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_until = self.loop.time() + LINGER_MOST_S
        self._listen_on()

    def _listen_on(self) -> None:
        left = self._linger_until - self.loop.time()
        self._lingering = self.loop.call_later(max(min(left, LINGER_S), 0), self.transport.close)

    # ---- waiting for headers ----

    def _under_way(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _awaits_head(self) -> bool:
        idle = self.timeout_keep_alive_task is not None  # uvicorn's timer watches it then
        return self._head is None and not idle and not self._under_way()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self._header_s, self._head_too_slow)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _head_too_slow(self) -> None:
        self._head = None
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self._say(_written(_head_too_slow(self._header_s)), "header_time")
        self.transport.close()

    def _rest(self) -> None:
        """Wait for the next request of the connection."""
        self._bound.idle(self)
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _say(self, answer: bytes, why: str) -> None:
        metrics.REFUSED.labels(why).inc()
        self.transport.write(answer)


def _written(problem: Problem, *, close: bool = True) -> bytes:
    """Write the answer as it goes over the wire."""
    body = problem.encoded()
    lines = [
        f"HTTP/1.1 {problem.status.value} {problem.status.phrase}",
        *(f"{name}: {value}" for name, value in problem.headers.items()),
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        *(["connection: close"] if close else []),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


_BUSY, _BUSY_CLOSING = _written(busy(), close=False), _written(busy())


def _head_too_slow(within_s: float) -> Problem:
    return Problem(
        "headers_too_slow",
        "the headers did not come in time",
        expected=f"all of them within {within_s:g} s; [serving] header_s says how long",
        next_step="send the request again",
    )


def _no_http(what: str) -> Problem:
    return Problem(
        "malformed_request",
        "the request is not HTTP/1.1",
        got=what,
        expected="a method, a path and headers as RFC 9112 writes them",
        next_step="send the request with an HTTP client",
    )


def _head_too_large() -> Problem:
    return Problem(
        "headers_too_large",
        "request line and headers are too large",
        expected=f"at most {MAX_HEAD} bytes",
        next_step="send a shorter address and fewer headers",
    )
