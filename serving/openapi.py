"""The OpenAPI document of every route: BentoML's, with the errors that are really answered.

BentoML describes its own error bodies, which request validation never lets out, and FastAPI those
of its validation. Here each operation gets the statuses it can end with, all in one form (RFC
9457), and what a client may leave `null` is said to be nullable. A test asks the running service
whatever this document allows and forbids, and holds its answers against it.
"""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kinoloop import __version__
from serving.problems import MEDIA_TYPE
from serving.scopes import ANYBODY, scope_of

_DESCRIPTION = (
    "Multimodal video recommendation. Bodies are JSON without a wrapper; an error is "
    "`application/problem+json` (RFC 9457): `type`, `title`, `status` and `detail`, and "
    "beside them what was wrong, what was got, what was expected and what to do next."
)
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What was wrong, and what to do (RFC 9457).",
    "required": [
        *("type", "title", "status", "detail", "error", "what", "got", "expected", "next_step")
    ],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Names the kind of problem; the address answers what it is.",
        },
        "title": {"type": "string", "description": "The kind of problem, in words."},
        "status": {"type": "integer", "description": "HTTP status."},
        "detail": {
            "type": "string",
            "description": "This problem in one sentence: what, got, expected, next_step.",
        },
        "error": {"type": "string", "description": "Code that programs can branch on."},
        "what": {"type": "string", "description": "What is wrong."},
        "got": {"description": "The value that is wrong; long ones are cut."},
        "expected": {"type": "string", "description": "What would have been right."},
        "next_step": {"type": "string", "description": "What to do."},
    },
}
_EVERYWHERE = {403: "Sent to another name, or by a page of another origin.",
               429: "More requests come than can be answered; Retry-After says when.",
               503: "Nothing can be answered now; Retry-After says when."}  # fmt: skip
_OF_BODIES = {400: "The body is not JSON.", 408: "The body did not come in time.",
              413: "The body is too large.", 415: "The body is not announced as JSON.",
              422: "A field is missing, unknown or out of bounds."}  # fmt: skip
_OF_UPLOADS = {409: "A piece is missing, or upload or video are there already."}
_UNKNOWN = {404: "There is no such thing."}
_GUARDED = {401: "The token is missing, unknown or expired.",
            403: "Another scope is needed, or the request comes from another page or name.",
            429: "Too many requests; Retry-After says when."}  # fmt: skip
_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the service with the scope that is named; for `admin` the "
        "operator's key, too.",
    }
}
_PROBES = ("/livez", "/readyz", "/healthz", "/metrics")


def described(document: Mapping[str, Any], *, users: bool, readers: bool) -> dict[str, Any]:
    """BentoML's document, introduced in our words and with our errors.

    Args:
        document: As BentoML makes it.
        users: Whether the service asks users for tokens.
        readers: Whether it asks operators who only look; who changes something is always asked.
    """
    info = {"title": "Kinoloop", "version": __version__, "description": _DESCRIPTION}
    components = dict(document["components"])
    components["schemas"] = {**components["schemas"], "Problem": _PROBLEM}
    components["securitySchemes"] = _SECURITY
    paths = {
        path: {
            method: _operation(
                path, method, operation, asks=_asks(path, method, users=users, readers=readers)
            )
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    result = {
        **document,
        "openapi": "3.1.0",  # FastAPI's parts are; BentoML's are right in both
        "info": info,
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }
    copied: dict[str, Any] = copy.deepcopy(result)  # BentoML keeps its document
    _say_nullable(copied)
    return copied


def asked(body: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body by itself."""
    return {"requestBody": {"content": {"application/json": {"schema": body.model_json_schema()}}}}


def _asks(path: str, method: str, *, users: bool, readers: bool) -> bool:
    """Whether an operation asks for a token."""
    scope = scope_of(method.upper(), path)
    if scope == "admin":
        return readers or method != "get"
    return users and scope != ANYBODY


def _operation(
    path: str, method: str, operation: Mapping[str, Any], *, asks: bool
) -> dict[str, Any]:
    good = next(answer for status, answer in operation["responses"].items() if int(status) == 200)
    responses = {"200": good}
    if path == "/readyz":
        responses["503"] = _answer("There is nothing to answer with, or no future.")
    statuses = _GUARDED if asks else {}
    if path not in _PROBES:
        statuses = {**_EVERYWHERE, **statuses}
        if method in {"post", "patch", "put"}:
            statuses |= _OF_BODIES
        if path.startswith("/admin/uploads/"):
            statuses |= _OF_UPLOADS
        if "{" in path or path in {"/recommend", "/recommend/batch", "/similar", "/search"}:
            statuses |= _UNKNOWN
    responses |= {str(status): _answer(text) for status, text in sorted(statuses.items())}
    if path not in _PROBES:
        responses["default"] = _answer("Any other error.")
    described = {**operation, "responses": responses}
    if asks:
        described["security"] = [{"token": [scope_of(method.upper(), path)]}]
    if "requestBody" in operation:
        described["requestBody"] = {**operation["requestBody"], "required": True}
    return described


def _answer(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _say_nullable(part: Any) -> None:  # noqa: ANN401 (any JSON)
    """Mark what has `null` as its default: BentoML leaves that out of the type."""
    if isinstance(part, dict):
        if "type" in part and part.get("default", ...) is None:
            kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
            part["type"] = [*kinds, *({"null"} - set(kinds))]
        for inner in part.values():
            _say_nullable(inner)
    elif isinstance(part, list):
        for inner in part:
            _say_nullable(inner)
