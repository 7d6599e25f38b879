"""Request validation: nothing but well-formed requests gets past this ASGI middleware.

BentoML reads a body of any size into memory and answers a bad one in its own words, with a
traceback in the log. So who asks is checked (401, 403, 429), the body is bounded while it arrives
(408, 413, 415), parsed and checked here (400, 422), once, and handed on when it is this request's
turn (429): to BentoML, or straight to the handler of a hot route.
"""

import functools
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.admission import Admission
from serving.bodies import GoneError, parse, read
from serving.config import ServingConfig
from serving.direct import Direct
from serving.guard import Guard
from serving.messages import PARSED, Body
from serving.origin import OriginCheck, check_one_host
from serving.problems import Problem, wrong_method

PROBES = ("/livez", "/readyz", "/healthz", "/metrics")
"""Answered at once, to whatever name they were sent: balancers ask by address."""

READ = "kinoloop.read"


class RequestValidation:
    """Checks who asks and what, and lets one request in after the other.

    Args:
        app: What is behind it; where that is CORS, who it admits may ask.
        bodies: Type of the body by path.
        config: Hosts, origins and bounds.
        admission: Whose turn it is.
        guard: Who may ask, and how often.
        direct: Has the handlers of hot routes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        bodies: Mapping[str, type[Body]],
        config: ServingConfig,
        admission: Admission,
        guard: Guard,
        direct: Direct,
    ) -> None:
        self._app, self._bodies, self._admission, self._guard = app, bodies, admission, guard
        self._direct = direct
        self._max_body, self._body_s = config.max_body_kb * 1024, config.body_s
        self._cors = app if isinstance(app, CORSMiddleware) else None
        also = self._cors.is_allowed_origin if self._cors else lambda _: False
        self._origin = OriginCheck(config.hosts, config.origins, also=also)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            check_one_host(scope)
            if scope["path"] in PROBES:
                self._guard.check(scope)
                await self._app(scope, receive, send)
                return
            await self._check(scope, receive)
            async with self._admission.turn():
                await self._answer(scope, receive, send)
        except GoneError:
            return
        except Problem as problem:
            if not scope.get(READ) and _has_body(scope):  # the rest is not for the next request
                problem.headers["Connection"] = "close"
            await problem.response()(scope, _nothing, self._readable(scope, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may go on."""
        handler = self._direct.find(scope["path"]) if scope.get(READ) else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        response = await self._direct.answer(handler, scope[PARSED])
        from_page = any(name == b"origin" for name, _ in scope["headers"])
        await response(scope, receive, self._readable(scope, send) if from_page else send)

    async def _check(self, scope: Scope, receive: Receive) -> None:
        """Raise a `Problem` unless the request may go on."""
        if _is_preflight(scope):
            self._origin.check_host(scope)  # whether the page may ask is for CORS to say
            return
        self._origin.check(scope)
        self._guard.check(scope)
        body_type = self._bodies.get(scope["path"])
        if body_type is None:
            return
        if scope["method"] != "POST":
            raise wrong_method(scope, "POST")
        raw = await read(scope, receive, most=self._max_body, within_s=self._body_s)
        scope[READ] = True
        scope[PARSED] = body = parse(raw, body_type)
        self._guard.check_user(body)

    def _readable(self, scope: Scope, send: Send) -> Send:
        """Send an answer of ours so that the page that asked may read it."""
        if self._cors is None:
            return send
        return functools.partial(self._cors.send, send=send, request_headers=Headers(scope=scope))


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
