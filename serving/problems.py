"""What a client is told when a request cannot be answered: always JSON, never a traceback.

    {"type": "/problems/unknown_video", "title": "The video is unknown", "status": 404,
     "detail": "no video has this id: got 'v999', expected …", "error": "unknown_video",
     "what": "no video has this id", "got": "v999", "expected": "…", "next_step": "…"}

The first four members are those of RFC 9457, for clients that know it; the others say the same in
parts. An exception that is not among `EXPECTED` is our own mistake: it is logged with its
traceback, and the client reads 500 and a hint where to look.
"""

import functools
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, ParamSpec, TypeVar

from starlette.responses import Response
from starlette.types import Scope

from kinoloop.errors import BundleError, ConfigError, DataError, KinoloopError, StateError
from serving.problem_types import address_of, type_of

logger = logging.getLogger(__name__)

_LARGE = 1e15  # numbers beyond it may have thousands of digits

P = ParamSpec("P")
T = TypeVar("T")
MAX_ECHO = 120  # characters of anything that a client sent
MEDIA_TYPE = "application/problem+json"  # RFC 9457

Why = Literal[
    "starting",
    "no_release",
    "registry_away",
    "release_arriving",
    "release_out_of_reach",
    "release_refused",
]

EXPECTED = (ConfigError, DataError, BundleError, StateError, sqlite3.OperationalError)
"""Exceptions whose message a client is told; their names are problem types."""


class Problem(KinoloopError):  # noqa: N818 (the word of RFC 9457)
    """A request that cannot be answered, with what its sender needs to correct it.

    Args:
        error: Code that programs can branch on, one of `PROBLEM_TYPES`.
        what: What is wrong.
        got: The value that is wrong; long ones are cut.
        expected: What would have been right.
        next_step: What to do.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        error: str,
        what: str,
        *,
        got: object = None,
        expected: str = "",
        next_step: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        kind, shown = type_of(error), _echo(got)
        wrong = [what, *([f"got {shown!r}"] if shown is not None else [])]
        right = [
            *([f"expected {expected}"] if expected else []),
            *([next_step] if next_step else []),
        ]
        self.status = kind.status
        self.headers = dict(headers or {})
        self.body = {
            "type": address_of(error),
            "title": kind.title,
            "status": int(kind.status),
            "detail": "; ".join([": ".join(wrong), *right]),
            "error": error,
            "what": what,
            "got": shown,
            "expected": expected,
            "next_step": next_step,
        }

    def response(self) -> Response:
        """Make the answer to send."""
        unavailable = self.status == HTTPStatus.SERVICE_UNAVAILABLE
        return Response(
            self.encoded(),
            self.status,
            {**({"Retry-After": "5"} if unavailable else {}), **self.headers},
            media_type=MEDIA_TYPE,
        )

    def encoded(self) -> bytes:
        """Encode the body as JSON in UTF-8."""
        text = json.dumps(self.body, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "replace")


def unknown_video(video_id: str, dataset_version: str) -> Problem:
    """404: no such video."""
    return Problem(
        "unknown_video",
        "no video of the release in service has this id",
        got=video_id,
        expected=f"a video_id of dataset {dataset_version}",
        next_step="take a video_id from /recommend or /search; a new video is known after the "
        "next publish, one that was taken down no more",
    )


def unknown_page(cursor: str | None) -> Problem:
    """404: no such page."""
    return Problem(
        "unknown_request",
        "no page of a slate with this cursor is on record",
        got=cursor,
        expected="the cursor of an answer of /recommend, not older than [serving] lineage_days",
        next_step="ask for the first page, without a cursor",
    )


def no_more_pages(cursor: str, most: int) -> Problem:
    """422: the last page of a slate has been answered."""
    return Problem(
        "invalid_request",
        "no page comes after the one with this cursor",
        got=cursor,
        expected=f"the cursor of an answer that has one; a slate has at most {most} pages",
        next_step="ask for the first page, without a cursor; a larger top_k reaches further",
    )


def unknown_filter(column: str, known: Sequence[str]) -> Problem:
    """404: no such column."""
    return Problem(
        "unknown_filter",
        "no video of the release in service has a column of this name",
        got=column,
        expected=f"one of {', '.join(known)[:MAX_ECHO]}" if known else "no filter at all",
        next_step="GET /about names the columns; a new one is known after the next publish",
    )


_RETRAIN = "run `kinoloop retrain` and `kinoloop promote`"
_BY_ITSELF = "the service takes the champion up by itself within seconds"
_WAITING: dict[Why, tuple[str, str]] = {
    "starting": ("the service is starting", "wait a moment"),
    "no_release": (
        "the registry names no champion: no release has been promoted yet",
        f"{_RETRAIN}; {_BY_ITSELF}",
    ),
    "registry_away": (
        "the registry is away, so it is not known which release is champion",
        f"start it (`kinoloop up`) or set KINOLOOP_MLFLOW_URI; {_BY_ITSELF}",
    ),
    "release_arriving": ("the champion is still being fetched", "wait until it has arrived"),
    "release_out_of_reach": (
        "the champion's files cannot be fetched",
        f"see that the artifact store of MLflow answers; {_BY_ITSELF}",
    ),
    "release_refused": (
        "the champion was refused",
        "the log says why; run `kinoloop rollback`, or `kinoloop retrain --force` and `kinoloop "
        "promote`",
    ),
}


@dataclass(frozen=True)
class Waiting:
    """Why a service has no release, or not the champion.

    Attributes:
        why: Code that programs can branch on.
        version: Of the champion, where it is known.
        detail: What was seen, for the log: it may name addresses.
    """

    why: Why
    version: str = ""
    detail: str = ""

    @property
    def what(self) -> str:
        """What is wrong, for a client."""
        version = f" (version {self.version})" if self.version else ""
        return _WAITING[self.why][0] + version

    @property
    def said(self) -> str:
        """What is wrong, for the log."""
        return f"{self.what}: {self.detail}" if self.detail else self.what

    @property
    def next_step(self) -> str:
        """What to do."""
        return _WAITING[self.why][1]


def no_release(waiting: Waiting) -> Problem:
    """503: nothing is in service, and why."""
    return Problem(
        waiting.why,
        f"no release is in service: {waiting.what}",
        expected="a model version with the alias `champion`",
        next_step=waiting.next_step,
    )


def too_many_events(got: int, allowed: int) -> Problem:
    """422: split the request."""
    return Problem(
        "too_many_events",
        "too many events in one request; none was taken",
        got=got,
        expected=f"at most {allowed} events",
        next_step="send them in several requests, or raise [serving] max_events",
    )


def explain(error: Exception) -> Problem:
    """Return the problem that an exception amounts to."""
    if isinstance(error, Problem):
        return error
    for kind in EXPECTED:
        if isinstance(error, kind):
            logger.warning("%s: %s", kind.__name__, error)
            return Problem(
                kind.__name__, str(error), next_step="see the log of the service; try again"
            )
    logger.error("a request failed", exc_info=error)
    return internal()


def internal() -> Problem:
    """500: our own mistake."""
    return Problem(
        "internal",
        "the service failed",
        next_step="try again; the log of the service has the details",
    )


def wrong_method(scope: Scope, allowed: str) -> Problem:
    """405: another method is meant."""
    return Problem(
        "wrong_method",
        "this path answers another method",
        got=scope["method"],
        expected=allowed,
        next_step=f"send {allowed} {short(scope['path'])}; /docs describes every path",
        headers={"Allow": allowed},
    )


def answered(
    handler: Callable[P, Awaitable[T]],
) -> Callable[P, Awaitable[T | Response]]:
    """Turn whatever a handler raises into an answer."""

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T | Response:
        try:
            return await handler(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (the last resort of the service: nothing passes)
            return explain(error).response()

    return wrapped


def short(text: str) -> str:
    """Cut what a client sent short enough to send back."""
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}… ({len(text)} characters)"


def _echo(got: object) -> bool | int | float | str | None:
    """Return the wrong value as JSON can say it."""
    if got is None or isinstance(got, bool):
        return got
    if isinstance(got, int | float) and abs(got) < _LARGE:  # which no NaN is
        return got
    return short(got if isinstance(got, str) else repr(got))
