"""The door of our Prefect server: it answers to its own names, and to its own pages only.

    uvicorn --factory kinoloop.cli.prefect_app:prefect_app

Prefect checks the token, but not by what name it was called (DNS rebinding), nor where a WebSocket
comes from. Both are checked here before Prefect sees the request: `Host` must be one of the allowed
names, and an `Origin`, which every browser sends with what could change something, must be that of
the page's own host.
"""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


class Guard:
    """Refuse requests under a foreign name or from a foreign page.

    Args:
        app: What is guarded.
        allowed_hosts: Names and addresses without ports.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._refusal(Headers(scope=scope)) if "headers" in scope else ""
        if not refusal:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal})
        else:
            answer = PlainTextResponse(refusal, status_code=HTTPStatus.FORBIDDEN)
            await answer(scope, receive, send)

    def _refusal(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(f"//{hosts[0]}") not in self._allowed:
            return "This host name is not one of ours; KINOLOOP_ALLOWED_HOSTS adds one."
        for origin in headers.getlist("origin"):
            if urlsplit(origin).netloc.lower() != hosts[0].lower():
                return "Pages of other origins are not let in."
        return ""


def prefect_app() -> Guard:
    """Prefect's API, scheduler and UI behind the guard; settings come from the environment."""
    from prefect.server.api.server import create_app

    from kinoloop.cli.access import allowed_hosts
    from kinoloop.environment import Environment

    return Guard(create_app(final=True), allowed_hosts(Environment()))


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:  # an address in brackets that is none
        return ""
