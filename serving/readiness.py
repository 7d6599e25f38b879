"""`/readyz` says whether there is a release to answer with, and where not, why and what to do."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.drain import Drain
from serving.problems import Problem, no_release

if TYPE_CHECKING:
    from serving.served import Served


_READING = ("GET", "HEAD")


class Readiness:
    """Answers `/readyz` in our own words: BentoML's has an empty body.

    Args:
        app: Answers everything else.
        served: Gives the service.
        drain: Has begun when the service is about to end.
    """

    def __init__(self, app: ASGIApp, *, served: "Callable[[], Served]", drain: Drain) -> None:
        self._app, self._served, self._drain = app, served, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and scope["path"] == "/readyz" and scope["method"] in _READING:
            await self._answer()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _answer(self) -> Response:
        if self._drain.begun:
            return Problem(
                "stopping",
                "the service is stopping",
                next_step="ask another one",
            ).response()
        served = self._served()
        if served.in_service is None:
            return no_release(served.waiting).response()
        return PlainTextResponse("ready\n")
