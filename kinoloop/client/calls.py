"""The requests of the service, one function each: method, path, body, and how its answer reads.

An event without a name and a time gets both here, once: however often it is sent, it is one event,
because the service counts an `event_id` once per day.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from kinoloop.client.answers import About, Answer, FeedbackReceipt, Lineage, Slate, Video
from kinoloop.client.operation import Availability, Overview, Uploaded
from kinoloop.client.options import (
    AvailabilityOptions,
    ClipOptions,
    Event,
    FindOptions,
    ManyOptions,
    RecommendOptions,
)
from kinoloop.client.problems import error_of
from kinoloop.errors import ConfigError, DataError, ServiceError

BATCH = "/recommend/batch"
PIECE_BYTES = 4 * 2**20
"""Of a clip, in one request."""

MOST_USERS = 1000
"""Of one request."""

T = TypeVar("T")
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        method: `GET`, `POST`, `PATCH`, `PUT` or `DELETE`.
        path: With its query, percent-encoded.
        read: Makes the answer of the body; raises `ValueError` where it is none.
        body: JSON; None sends none.
        repeatable: Whether it may be sent again when it is not known what became of it.
        content: Instead of JSON.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, Any] | None = None
    repeatable: bool = True
    content: bytes | None = None


def recommend(user_id: str | int, options: RecommendOptions) -> Call[Slate]:
    """Ask for a slate; each that is given counts as shown, so it is not asked for twice."""
    return _post("/recommend", {"user_id": user_id, **_said(options)}, Slate, repeatable=False)


def recommend_many(
    users: Sequence[str | int], options: ManyOptions
) -> Call[list[Slate | ServiceError]]:
    """Ask for a slate for each user; see `recommend`."""
    body = {"users": users, **_said(options)}
    return Call("POST", BATCH, partial(_slates, users=len(users)), body, repeatable=False)


def similar(video_id: str, options: FindOptions) -> Call[Slate]:
    """Ask for videos like one; see `recommend`."""
    return _post("/similar", {"video_id": video_id, **_said(options)}, Slate, repeatable=False)


def search(query: str, options: FindOptions) -> Call[Slate]:
    """Ask for videos by a text; see `recommend`."""
    return _post("/search", {"query": query, **_said(options)}, Slate, repeatable=False)


def feedback(events: Iterable[Event]) -> Call[FeedbackReceipt]:
    """Tell what users did.

    Raises:
        DataError: A time has no zone.
    """
    body = {"events": [_named(position, event) for position, event in enumerate(events)]}
    return _post("/feedback", body, FeedbackReceipt, repeatable=True)


def identify(user_id: str | int, person_id: str | int) -> Call[FeedbackReceipt]:
    """Tell who somebody is, as the event of that name, which has an `event_id`."""
    return feedback([{"user_id": user_id, "event": "identify", "person_id": person_id}])


def lineage(request_id: str) -> Call[Lineage]:
    """Ask where an answer came from."""
    return _get(f"/lineage/{quote(request_id, safe='')}", Lineage)


def video(video_id: str) -> Call[Video]:
    """Ask what is known of a video."""
    return _get(_of_video("/videos/", video_id), Video)


def thumbnail(video_id: str) -> Call[bytes]:
    """Ask for the picture of a video."""
    return Call("GET", _of_video("/thumbnails/", video_id), bytes)


def about() -> Call[About]:
    """Ask what is in service."""
    return _get("/about", About)


def overview() -> Call[Overview]:
    """Ask for the operator's view."""
    return _get("/admin/overview", Overview)


def metrics() -> Call[str]:
    """Ask for the metrics."""
    return Call("GET", "/metrics", bytes.decode)


def take_down(video_id: str) -> Call[Availability]:
    """Have a video shown no more."""
    return Call("DELETE", _of_video("/videos/", video_id), Availability.model_validate_json)


def change_availability(video_id: str, change: AvailabilityOptions) -> Call[Availability]:
    """Change when a video may be shown.

    Raises:
        DataError: A time has no zone.
    """
    said = {name: _moment(name, value) for name, value in change.items()}
    return Call("PATCH", _of_video("/videos/", video_id), Availability.model_validate_json, said)


def upload_piece(upload_id: str, offset: int, piece: bytes) -> Call[bytes]:
    """Send a piece of a clip; one that came before changes nothing."""
    return Call("PUT", f"/admin/uploads/{upload_id}?offset={offset}", bytes, content=piece)


def upload(upload_id: str, title: str, options: ClipOptions) -> Call[Uploaded]:
    """Say which video the pieces are; what was lost on the way may have taken effect."""
    path, row = f"/admin/uploads/{upload_id}", {"title": title, **_said(options)}
    return _post(path, row, Uploaded, repeatable=False)


def pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the pieces of a file, each with where it begins."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield file.tell() - len(piece), piece


def ready() -> Call[bytes]:
    """Ask whether there is a release to answer with."""
    return Call("GET", "/readyz", bytes)


def in_requests(users: Iterable[str | int], per_request: int) -> Iterator[list[str | int]]:
    """Yield users as they are asked for: so many in one request.

    Raises:
        ConfigError: No request may be for so many.
    """
    if not 1 <= per_request <= MOST_USERS:
        raise ConfigError(
            f"per_request is {per_request}, expected 1 to {MOST_USERS} users in one request"
        )
    left = iter(users)
    while some := list(islice(left, per_request)):
        yield some


def _get(path: str, answer: type[A]) -> Call[A]:
    return Call("GET", path, answer.model_validate_json)


def _post(path: str, body: Mapping[str, Any], answer: type[A], *, repeatable: bool) -> Call[A]:
    return Call("POST", path, answer.model_validate_json, body, repeatable)


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None: it was not said."""
    return {name: value for name, value in options.items() if value is not None}


def _slates(content: bytes, users: int) -> list[Slate | ServiceError]:
    found = json.loads(content)
    answers = found.get("answers") if isinstance(found, dict) else None
    if not isinstance(answers, list) or len(answers) != users:
        raise ValueError(f"expected {users} answers")
    return [_slate(position, answer) for position, answer in enumerate(answers)]


def _slate(position: int, answer: object) -> Slate | ServiceError:
    if isinstance(answer, dict) and isinstance(answer.get("status"), int):
        return error_of(f"POST {BATCH}, user {position}", answer, answer["status"])
    return Slate.model_validate(answer)


def _named(position: int, event: Event) -> dict[str, Any]:
    said = _said(event)
    at = _moment(f"event {position}: timestamp", said.get("timestamp", datetime.now(UTC)))
    return {"event_id": uuid4().hex, **said, "timestamp": at}


def _moment(what: str, value: object) -> object:
    """Write a time as it travels; what is none stays as it is."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise DataError(
            f"{what} {value.isoformat()} has no time zone; expected a time of a known zone, such "
            "as datetime.now(UTC)"
        )
    return value.isoformat()


def _of_video(folder: str, video_id: str) -> str:
    """Return the path of a video; clients resolve `.` and `..` in paths, but not in queries."""
    named = quote(video_id, safe="")
    return f"{folder}?video_id={named}" if named in {"", ".", ".."} else folder + named
