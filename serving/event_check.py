"""Which events of a request are taken: by the rules of ingestion, run by the same code.

An event is a row of a landing file that comes over HTTP. What is accepted here is therefore
accepted there, and what is refused here names the rule that the quarantine would name. Nothing is
passed over in silence: a field is carried to the landing zone, or refused by its name.

One event costs some milliseconds and a thousand little more: requests that wait together are
checked together (serving/feedback.py).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data import times
from kinoloop.data.ids import IdMap
from kinoloop.data.label_names import with_known_label
from kinoloop.ingestion.conform import conform
from kinoloop.ingestion.event_rules import DURATION, RAW_USER
from kinoloop.ingestion.json_lines import as_texts
from kinoloop.ingestion.rule import IngestConfig, Limits
from kinoloop.ingestion.rules import RULES, judged
from kinoloop.schema import (
    EVENT_CHECKS,
    EVENT_CONTEXT,
    EVENT_KINDS,
    LANDING_EVENTS,
    MAX_ID_CHARACTERS,
)
from serving.live_event import LiveEvent, Parcel
from serving.sayings import hashed, live_id

if TYPE_CHECKING:
    from kinoloop.release.texts import Texts

FIELDS = (*LANDING_EVENTS, *EVENT_CONTEXT, *(c for c in EVENT_CHECKS if c != "pseudonym"))
BOUNDED = (
    *("video_id", "event", "event_id", "surface", "device", "timestamp"),
    *("request_id", "undoes", "creator_id", "label"),
)
MAX_ECHO = 120

_COLUMN_OF = {rule.name: rule.column for rule in RULES}
_NEEDED = (
    "event_user_missing",
    "event_user_too_long",
    "event_user_unprintable",
    "event_video_missing",
    "event_timestamp_missing",
    "event_timestamp_unreadable",
    "event_kind_missing",
    "event_kind_unknown",
    "event_undo_of_nothing",
    "event_identify_without_person",
    "event_label_unknown",
)  # live state cannot do without them, whatever `[ingest] rules` says


class Rejection(NamedTuple):
    """Why one event was not taken.

    Attributes:
        position: In the request, from 0.
        field: What is wrong with it.
        reason: Name of the rule that it breaks, such as `event_video_unknown`, or of a fault of
            its form.
        expected: What would have been right.
    """

    position: int
    field: str
    reason: str
    expected: str


class Checked(NamedTuple):
    """Events, sorted out; all in the order that they came in.

    Attributes:
        events: What counts from now on.
        parcels: What else the landing zone gets of each.
        positions: Where each was.
        rejections: What was not taken.
        held: Which positions name a video that nobody knows yet.
        persons: Pseudonym of each raw `person_id`.
    """

    events: list[LiveEvent]
    parcels: list[Parcel]
    positions: list[int]
    rejections: list[Rejection]
    held: list[int]
    persons: dict[str, str]


class Videos(NamedTuple):
    """What the release in service knows.

    Attributes:
        ids: External ids.
        durations: (n_videos,) seconds, NaN where unknown.
        texts: Reads what is written.
        labels: Gives the names of what its videos are about, folded; none: nothing is known.
    """

    ids: IdMap
    durations: NDArray[np.float64]
    texts: "Texts | None" = None
    labels: Callable[[], Collection[str]] = tuple


class EventCheck:
    """Checks the events of requests.

    Args:
        config: Section `[ingest]`: its limits, and its severities.
        pseudonym: Of a user id.
        clock_skew_s: How far in the future a timestamp may lie, where ingestion allows as much.
    """

    def __init__(
        self, config: IngestConfig, *, pseudonym: Callable[[str], str], clock_skew_s: float
    ) -> None:
        self._pseudonym = pseudonym
        self._config = config.model_copy(
            update={
                "future_tolerance_s": min(clock_skew_s, config.future_tolerance_s),
                "rules": {**config.rules, **dict.fromkeys(_NEEDED, "quarantine")},
            }
        )
        self._expected = _expected(config)

    def sort_out(self, events: Sequence[Any], videos: Videos | None) -> Checked:
        """Split events into good ones and rejections.

        Args:
            events: As they came, parsed JSON.
            videos: Of the release in service; None where there is none, and no id is unknown.
        """
        now = datetime.now(UTC)
        rows: dict[int, dict[str, Any]] = {}
        rejections: list[Rejection] = []
        for position, event in enumerate(events):
            fault = _fault(position, event)
            if fault is None:
                rows[position] = {"timestamp": now.isoformat(), **_filled(event)}
            else:
                rejections.append(fault)
        if not rows:
            return Checked([], [], [], rejections, [], {})
        frame = conform(as_texts(list(rows.values())), kind="events", file="feedback")
        frame = judged(_with_known(frame, videos), "events", Limits(self._config, now))
        positions: list[int] = []
        held: list[int] = []
        waits = frame.select(pl.col("video_id").is_not_null() & ~pl.col("known")).to_series()
        found = frame["reasons"].to_list()
        for at, nobody in enumerate(frame["user_id"].is_null()):
            if nobody and not found[at]:  # only the service itself shows videos to nobody
                found[at] = ["event_user_missing"]
        for position, reasons, unknown in zip(rows, found, waits, strict=True):
            if reasons:
                field = _COLUMN_OF[reasons[0]]
                rejections.append(Rejection(position, field, reasons[0], self._expected[field]))
            else:
                positions.append(position)
                held += [position] if unknown else []
        good = frame.filter(pl.Series([not reasons for reasons in found]))
        taken = [self._take(row) for row in good.select(_TAKEN).iter_rows(named=True)]
        return Checked(
            [event for event, _ in taken],
            [parcel for _, parcel in taken],
            positions,
            sorted(rejections),
            held,
            {name: self._pseudonym(name) for name in good["person_id"].drop_nulls().unique()},
        )

    def _take(self, row: dict[str, Any]) -> tuple[LiveEvent, Parcel]:
        what = LiveEvent(
            "",
            self._pseudonym(row["user_id"]),
            row["video_id"] or "",
            row["event"],
            row["watch_s"],
            row["value"],
            row["timestamp"],
        )
        told = (row["text"], row["surface"], row["device"])
        given, more = row["event_id"], [row[name] for name in EVENT_CONTEXT]
        # As ingestion has it: a name counts for one day, and without one all that is said does.
        filled = [pair for pair in zip(EVENT_CONTEXT, more, strict=True) if pair[1] is not None]
        event_id = hashed(*what, *told, *filled) if given is None else live_id(given, what[-1])
        duration = None if row["watch_s"] is None else row["checked_against"]
        parcel = Parcel(row["user_id"], given, *told, duration, *more)
        return what._replace(event_id=event_id), parcel


_TAKEN = [
    *(name for name in LANDING_EVENTS if name != "timestamp"),
    *EVENT_CONTEXT,
    pl.col("timestamp").to_physical(),
    DURATION.fill_nan(math.inf).alias("checked_against"),
]


def _fault(position: int, event: object) -> Rejection | None:
    """Find what is wrong with the form of an event; None where nothing is."""
    if not isinstance(event, Mapping):
        expected = 'an object like {"user_id": …}'
        return Rejection(position, "event", "not_an_object", expected)
    for name, value in event.items():
        if name not in FIELDS:
            expected = f"one of {', '.join(FIELDS)}"
            return Rejection(position, name[:MAX_ECHO], "unknown_field", expected)
        if isinstance(value, bool) or not isinstance(value, str | int | float | None):
            return Rejection(position, name, "not_text_or_number", "text or a number")
        if name in BOUNDED and isinstance(value, str) and len(value) > MAX_ID_CHARACTERS:
            expected = f"at most {MAX_ID_CHARACTERS} characters"
            return Rejection(position, name, "too_long", expected)
        if isinstance(value, str) and not _is_unicode(value):
            return Rejection(position, name, "not_unicode", "text without lone surrogates")
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _filled(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if value is not None}


def _with_known(frame: pl.DataFrame, videos: Videos | None) -> pl.DataFrame:
    """Add what ingestion knows of raw user ids, and by the tables of videos."""
    frame = with_known_label(
        frame.with_columns(*RAW_USER), videos.labels if videos is not None else tuple
    )
    if videos is None:
        return frame.with_columns(known=True, known_duration_s=pl.lit(None, pl.Float64))
    at = videos.ids.indices(name or "" for name in frame["video_id"].to_list())
    seconds = [float(videos.durations[index]) if index >= 0 else None for index in at.tolist()]
    return frame.with_columns(
        known=pl.Series(at >= 0),
        known_duration_s=pl.Series(seconds, dtype=pl.Float64).fill_nan(None),
    )


def _expected(config: IngestConfig) -> dict[str, str]:
    """Say what is right, field by field."""
    return {
        "user_id": f"a text of 1 to {MAX_ID_CHARACTERS} characters on one line, not all invisible",
        "video_id": "a video; only a search, an identify, an undo by event_id and a not_interested "
        "with creator_id or label may lack it",
        "undoes": "the event_id of what is taken back or, with a video_id, its kind",
        "label": "a label, category or tag of some video; GET /videos/{video_id} tells a video's",
        "person_id": f"a text of 1 to {MAX_ID_CHARACTERS} characters: whom user_id is",
        "pseudonym": "nothing; it is not taken here",
        "position": "the place in the answer, a whole number from 0",
        "score": "nothing; it is not taken here",
        "context": "nothing; it is not taken here",
        "propensity": "nothing; it is not taken here",
        "event": f"one of {', '.join(EVENT_KINDS)}",
        "timestamp": f"{times.EXPECTED}; not ahead",
        "watch_s": f"seconds watched, 0 to {config.max_watch_s:g}, and no more than "
        f"{config.max_rewatches:g} durations of the video",
        "value": "the stars of a rating, a number",
        "duration_s": "seconds, more than 0",
        "logged_date": "the day of timestamp in your time zone, such as 2026-01-31",
        "logged_hour": "the hour of timestamp in your time zone, 0 to 23",
        "utc_offset_h": "hours that your time zone is ahead of UTC",
    }
