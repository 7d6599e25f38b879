"""The body of a request: JSON, bounded, in time, and read in one way only.

Two readers of the same bytes must not see two requests. So what JSON leaves open is refused: a key
that stands twice in an object, `NaN` and `Infinity`, half a surrogate pair, nesting beyond reason,
another encoding than UTF-8.
"""

import asyncio
import json
import re
from typing import Any, NoReturn

from pydantic import ValidationError
from starlette.types import Receive, Scope

from serving.messages import Body
from serving.problems import Problem, short
from serving.wrong_values import explain, fields

JSON_TYPE = b"application/json"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class GoneError(Exception):
    """The client left before its request was complete; there is nobody to answer."""


async def read(scope: Scope, receive: Receive, *, most: int, within_s: float) -> bytes:
    """Read the whole body.

    Args:
        scope: Of the request.
        receive: Of the request.
        most: Bytes.
        within_s: How long the client may take.

    Raises:
        Problem: It is not JSON (415), too large (413), or did not come in time (408).
        GoneError: The client left.
    """
    check_type(dict(scope["headers"]))
    return await read_raw(scope, receive, most=most, within_s=within_s)


async def read_raw(scope: Scope, receive: Receive, *, most: int, within_s: float) -> bytes:
    """Read the whole body, whatever it is.

    Raises:
        Problem: It is too large (413), or did not come in time (408).
        GoneError: The client left.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if int(announced) > most:  # the server has checked that it is a number
        raise _too_large(int(announced), most)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while await _more(receive, body):
                if len(body) > most:
                    raise _too_large(len(body), most)
    except TimeoutError as err:
        raise _too_slow(within_s) from err
    if len(body) > most:
        raise _too_large(len(body), most)
    return bytes(body)


async def _more(receive: Receive, body: bytearray) -> bool:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    body += message.get("body", b"")
    return bool(message.get("more_body", False))


def check_type(headers: dict[bytes, bytes]) -> None:
    """Raise unless the body is announced as JSON, which no page sends elsewhere without asking.

    Raises:
        Problem: 415.
    """
    media_type = headers.get(b"content-type", b"")
    encoding = headers.get(b"content-encoding", b"identity")
    if media_type.split(b";")[0].strip().lower() == JSON_TYPE and encoding == b"identity":
        return
    given = media_type if encoding == b"identity" else b"content-encoding: " + encoding
    raise Problem(
        "unsupported_media_type",
        "the body is not announced as plain JSON",
        got=given.decode("latin-1") or "no content-type",
        expected="content-type: application/json, and no content-encoding",
        next_step="send the header `content-type: application/json`",
    )


def parse(raw: bytes, body_type: type[Body]) -> Body:
    """Check a request and return it.

    Raises:
        Problem: It is not JSON (400), or not what `body_type` describes (422).
    """
    try:
        content = _loads(raw or b"{}")
    except (ValueError, RecursionError) as err:
        raise _malformed(err, body_type) from err
    try:
        body: Body = body_type.model_validate(content)
    except ValidationError as err:
        raise explain(err, body_type, content) from err
    return body


def _loads(raw: bytes) -> object:
    content: object = json.loads(
        raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
    )
    if _SURROGATE.search(raw):
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # raises for half a pair
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {short(twice)!r} occurs twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _malformed(err: Exception, body_type: type[Body]) -> Problem:
    if isinstance(err, UnicodeError):
        why = "its text is not valid UTF-8"
    elif isinstance(err, RecursionError):
        why = "it is nested too deeply"
    else:
        why = short(str(err))
    return Problem(
        "malformed_json",
        f"the body is not JSON: {why}",
        expected=fields(body_type),
        next_step="send one JSON object in UTF-8",
    )


def _too_large(size: int, most: int) -> Problem:
    return Problem(
        "body_too_large",
        "the body is too large",
        got=f"{size} bytes or more",
        expected=f"at most {most} bytes",
        next_step="send fewer events or ids in one request, or raise [serving] max_body_kb",
    )


def _too_slow(within_s: float) -> Problem:
    return Problem(
        "body_too_slow",
        "the body did not come in time",
        expected=f"all of it within {within_s:g} s of its headers",
        next_step="send it again, faster or in smaller requests; [serving] body_s says how long",
    )
