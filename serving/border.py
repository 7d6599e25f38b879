"""The border of the service: nothing but well-formed requests gets past this ASGI middleware.

BentoML reads a body of any size into memory and answers a bad one in its own words, with a
traceback in the log. So the body is bounded while it arrives (413), parsed and checked here (400,
422), once, and handed on; a wrong path or method is answered in the same form (404, 405).
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.messages import PARSED, Body
from serving.problems import MEDIA_TYPE, Problem

_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Border:
    """Bounds, parses and checks the body of every POST.

    Args:
        app: What is behind the border.
        bodies: Type of the body by path.
        max_body: Bytes.
    """

    def __init__(self, app: ASGIApp, *, bodies: Mapping[str, type[Body]], max_body: int) -> None:
        self._app, self._bodies, self._max_body = app, bodies, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body_type = self._bodies.get(scope["path"])
        if body_type is None:
            await self._app(scope, receive, _Rephrase(scope, send))
            return
        try:
            if scope["method"] != "POST":
                raise _wrong_method(scope, "POST")
            scope[PARSED] = _parse(await _read(scope, receive, self._max_body), body_type)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _read(scope: Scope, receive: Receive, max_body: int) -> bytes:
    """The whole body.

    Raises:
        Problem: It is, or says that it is, larger than allowed.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if int(announced) > max_body:  # the server has checked that it is a number
        raise _too_large(int(announced), max_body)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > max_body:
            raise _too_large(size, max_body)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _parse(raw: bytes, body_type: type[Body]) -> Body:
    try:
        body: Body = body_type.model_validate_json(raw or b"{}")
    except ValidationError as err:
        raise _explain(err, body_type) from err
    return body


def _explain(err: ValidationError, body_type: type[Body]) -> Problem:
    first = err.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return Problem(
            HTTPStatus.BAD_REQUEST,
            "malformed_json",
            f"the body is not JSON: {first['msg']}",
            expected=_example(body_type),
            next_step="send one JSON object in UTF-8",
        )
    where = ".".join(str(part) for part in first["loc"]) or "the body"
    if first["type"] == "missing":
        what, got = f"{where} is missing", None
    elif first["type"] == "extra_forbidden":
        what, got = f"there is no field {where}", first["input"]
    else:
        what, got = f"{where} is wrong", first["input"]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_request",
        what,
        got=got,
        expected=f"{first['msg']}; {_example(body_type)}",
        next_step="mend the field; /docs describes every one",
    )


def _example(body_type: type[Body]) -> str:
    """The fields of a request, the optional ones marked as such."""
    fields = ", ".join(
        f'"{name}"' if field.is_required() else f'"{name}"?'
        for name, field in body_type.model_fields.items()
    )
    return f"{{{fields}}}"


def _too_large(size: int, max_body: int) -> Problem:
    return Problem(
        _TOO_LARGE,
        "body_too_large",
        "the body is too large",
        got=f"{size} bytes or more",
        expected=f"at most {max_body} bytes",
        next_step="send fewer events or ids in one request, or raise [serving] max_body_kb",
    )


def _wrong_method(scope: Scope, allowed: str) -> Problem:
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "wrong_method",
        "this path answers another method",
        got=scope["method"],
        expected=allowed,
        next_step=f"send {allowed} {scope['path'][:100]}; /docs describes every path",
    )


class _Rephrase:
    """Says `404` and `405` of the framework, which are plain text, in our form."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._instead: Problem | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._instead = self._problem(message)
        if self._instead is None:
            await self._send(message)
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._instead.response()(self._scope, _nothing, self._send)

    def _problem(self, start: Message) -> Problem | None:
        headers: dict[bytes, bytes] = dict(start.get("headers", []))
        if headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode()):
            return None
        if start["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
            return _wrong_method(self._scope, headers.get(b"allow", b"GET").decode())
        if start["status"] == HTTPStatus.NOT_FOUND:
            return Problem(
                HTTPStatus.NOT_FOUND,
                "unknown_path",
                "there is nothing at this path",
                got=self._scope["path"],
                expected="a path that /docs lists",
                next_step="see /docs",
            )
        return None


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
