"""The hot routes go straight to their handlers, with the body that request validation has read.

BentoML's context, exception handler, router and endpoint would come between, which cost more than
many an answer and which these handlers need nothing of. Routes, types, OpenAPI document and
handlers are those that BentoML has.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.responses import Response

from serving.messages import Body

HOT: Final[Mapping[str, str]] = {
    "/recommend": "recommend",
    "/similar": "similar",
    "/search": "search",
}
"""Handler by path: each returns a response, whatever happens."""

SERVER: Final = (b"server", b"BentoML Service/kinoloop")

Handler = Callable[..., Awaitable[Response]]


class Direct:
    """Calls handlers.

    Args:
        service: Gives the service, once there is one.
    """

    def __init__(self, service: Callable[[], Any]) -> None:
        self._service = service
        self._handlers: dict[str, Handler] = {}

    def find(self, path: str) -> Handler | None:
        """Return the handler of a hot route; None of any other."""
        name = HOT.get(path)
        if name is None:
            return None
        found = self._handlers.get(name)
        if found is None:  # BentoML would inspect its signature at every request
            found = self._handlers[name] = getattr(self._service(), name).local
        return found

    @staticmethod
    async def answer(handler: Handler, body: Body) -> Response:
        """Answer as BentoML would."""
        response = await handler(**vars(body))
        response.raw_headers.append(SERVER)
        return response
