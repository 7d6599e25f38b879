"""One middleware around everything: counts by route, and a sampled access log in JSON lines.

A log line has the time, route, status and duration: no user id, no query, no body. Every error is
logged, of the good requests a share: a line for each was 12 MB in a short load test.
"""

import json
import logging
import random
import re
import time
from collections.abc import Iterable

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import metrics
from serving.drain import Drain

access_log = logging.getLogger("kinoloop.access")

OTHER = "other"
CLIENT_GONE = 499
"""Noted where nothing was answered, because nobody was there any more; nginx calls it so, too."""

UNLOGGED = ("/livez", "/readyz", "/healthz", "/metrics")


class Observe:
    """Counts and logs requests.

    Args:
        app: What is observed.
        routes: Path templates, such as `/lineage/{request_id}`; all else is counted as `other`.
        log_share: Share of good requests in the access log.
        drain: Once it has begun, connections are closed politely.
    """

    def __init__(
        self, app: ASGIApp, *, routes: Iterable[str], log_share: float, drain: Drain
    ) -> None:
        self._app, self._log_share, self._drain = app, log_share, drain
        self._fixed = {route for route in routes if "{" not in route}
        self._templates = [(_pattern(route), route) for route in routes if "{" in route]
        self._seconds = {
            route: metrics.SECONDS.labels(route) for route in (*self._fixed, *routes, OTHER)
        }
        self._requests: dict[tuple[str, int], Counter] = {}
        self._random = random.Random()  # noqa: S311 (a sample of log lines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and take notes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._drain.begun:
                    message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._route(scope["path"])
        counter = self._requests.get((route, status))
        if counter is None:
            counter = self._requests[route, status] = metrics.REQUESTS.labels(route, str(status))
        counter.inc()
        self._seconds[route].observe(seconds)
        if route in UNLOGGED:
            return
        if status >= 400 or self._random.random() < self._log_share:
            line = {
                "at": round(time.time(), 3),
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
            }
            access_log.info(json.dumps(line))

    def _route(self, path: str) -> str:
        if path in self._fixed:
            return path
        for pattern, route in self._templates:
            if pattern.fullmatch(path):
                return route
        return OTHER


def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{[^}]*\\}", ".+", re.escape(route)), re.DOTALL)
