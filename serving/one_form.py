"""Every error that leaves the service has one form, whoever answered it.

Starlette answers 404, 405 and a refused preflight in plain text, BentoML 500, 503 and 504 in JSON
of its own, some of it outside all middlewares that a service can add. So the protocol
(serving/protocol.py) puts this around the whole application. The headers of the first answer stay:
CORS has written into them whose page may read it.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import MEDIA_TYPE, Problem, internal, wrong_method

_OF_THE_BODY = ("content-type", "content-length")


class OneForm:
    """Says the errors of the frameworks as problems.

    Args:
        app: The whole application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and rephrase where it is needed."""
        if scope["type"] == "http":
            send = _Rephrase(scope, send)
        await self._app(scope, receive, send)


class _Rephrase:
    """The answer to one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._instead = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = self._start(message)
        elif self._instead:
            if message.get("more_body", False):
                return
            message = {**message, "body": self._instead}
        await self._send(message)

    def _start(self, start: Message) -> Message:
        headers = MutableHeaders(raw=list(start.get("headers", [])))
        good = start["status"] < HTTPStatus.BAD_REQUEST
        if good or headers.get("content-type", "").startswith(MEDIA_TYPE):
            return start
        problem = self._problem(start["status"], headers)
        answer = problem.response()
        self._instead = bytes(answer.body)
        for name in _OF_THE_BODY:
            del headers[name]
        headers.update(answer.headers)
        return {**start, "status": answer.status_code, "headers": headers.raw}

    def _problem(self, status: int, headers: MutableHeaders) -> Problem:
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            return wrong_method(self._scope, _allowed(self._scope) or headers.get("allow", "GET"))
        if status == HTTPStatus.NOT_FOUND:
            return Problem(
                "unknown_path",
                "there is nothing at this path",
                got=self._scope["path"],
                expected="a path that /docs lists",
                next_step="see /docs",
            )
        if status == HTTPStatus.GATEWAY_TIMEOUT:
            return Problem(
                "timed_out", "the answer was not ready in time", next_step="send the request again"
            )
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return internal()
        return Problem(f"http_{status}", HTTPStatus(status).description or "the request failed")


def _allowed(scope: Scope) -> str:
    """Every method of the path; Starlette names those of its first route only."""
    router = scope.get("router")
    routes = router.routes if isinstance(router, Router) else []
    return ", ".join(sorted(set(_methods(routes, scope))))


def _methods(routes: Iterable[BaseRoute], scope: Scope) -> Iterator[str]:
    for route in routes:
        match, inner = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Mount):
            yield from _methods(route.routes, {**scope, **inner})
        elif isinstance(route, Route):
            yield from route.methods or ()
