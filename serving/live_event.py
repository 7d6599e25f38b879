"""One accepted event: what counts here at once, and what only the landing zone gets."""

from typing import Any, NamedTuple


class LiveEvent(NamedTuple):
    """One accepted event.

    Attributes:
        event_id: Names the event here; the same event twice is one event.
        user: Pseudonym.
        video_id: External id; empty for a search that names none.
        event: One of `schema.EVENT_KINDS`.
        watch_s: Seconds watched, None where unknown.
        value: Stars of a rating, None elsewhere.
        timestamp: µs since the epoch, UTC.
    """

    event_id: str
    user: str
    video_id: str
    event: str
    watch_s: float | None
    value: float | None
    timestamp: int


class Parcel(NamedTuple):
    """What the landing zone gets of an event beyond what counts here.

    Attributes:
        user_id: Raw.
        given_id: The `event_id` that the client gave; None where it gave none.
        text: What was written or searched.
        surface: Where.
        device: On what.
        duration_s: Of the video, as it was known when the watch time was checked.
        request_id: Of the answer that the event follows.
        position: In that answer.
        undoes: What an undo takes back.
        creator_id: Whom the user is not interested in.
        label: What the user is not interested in.
        person_id: Raw id of the person that the user is.
    """

    user_id: str
    given_id: str | None = None
    text: str | None = None
    surface: str | None = None
    device: str | None = None
    duration_s: float | None = None
    request_id: str | None = None
    position: int | None = None
    undoes: str | None = None
    creator_id: str | None = None
    label: str | None = None
    person_id: str | None = None


def landing_row(event: LiveEvent, parcel: Parcel) -> dict[str, Any]:
    """Return an event by the names of the landing zone; its id is the one that its client gave."""
    given = event.event_id if parcel.given_id is None else parcel.given_id
    said = {name: value for name, value in parcel._asdict().items() if name != "given_id"}
    here = {"event_id": given, "video_id": event.video_id}
    what = {"event": event.event, "watch_s": event.watch_s, "value": event.value}
    return {**said, **here, **what, "timestamp": event.timestamp}
