"""What can be said in a request beside the one thing that it is about: keywords, all optional."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Required, TypedDict

Plain = str | bool | int | float


Condition = TypedDict(
    "Condition",
    {
        "any": Plain | Sequence[Plain],
        "all": Sequence[Plain],
        "not": Plain | Sequence[Plain],
        "min": float | str,
        "max": float | str,
        "missing": bool,
    },
    total=False,
)
"""What a column must hold, all parts of it; `missing`: whether a video without a value passes."""


class SlateOptions(TypedDict, total=False):
    """Of every slate.

    Attributes:
        top_k: Length of the slate, 1 to 500; 10 where it is not said.
        filters: Only videos with this value in a column, with one of these, or by a condition.
        surface: Where the slate is shown, such as `home`.
        device: On what, such as `tv`.
        context: What else is known of the moment: names and plain values.
    """

    top_k: int | None
    filters: Mapping[str, Plain | Sequence[Plain] | Condition] | None
    surface: str | None
    device: str | None
    context: Mapping[str, Plain] | None


class RecommendOptions(SlateOptions, total=False):
    """Of a slate of `Client.recommend`.

    Attributes:
        history: What the user watched, oldest first, instead of what is on record.
        exclude: Videos that must not appear.
        include_seen: Whether watched videos may appear again.
        cursor: Of the page before.
        explain: Whether to tell for every place what moved it, and for what left why.
    """

    history: Sequence[str] | None
    exclude: Sequence[str] | None
    include_seen: bool | None
    cursor: str | None
    explain: bool | None


class ManyOptions(SlateOptions, total=False):
    """Of the slates of `Client.recommend_many`, the same for all users; `top_k` is 1 to 100.

    Attributes:
        exclude: Videos that must not appear.
        include_seen: Whether watched videos may appear again.
        explain: Whether to tell of each slate how it comes about.
    """

    exclude: Sequence[str] | None
    include_seen: bool | None
    explain: bool | None


class FindOptions(SlateOptions, total=False):
    """Of a slate of `Client.similar` and `Client.search`.

    Attributes:
        user_id: Who asks, where that is known.
    """

    user_id: str | int | None


class AvailabilityOptions(TypedDict, total=False):
    """What is to change of when a video may be shown; None lifts a bound, what is not said stays.

    Attributes:
        hidden: Whether it is not shown at all.
        available_from: Shown from then on.
        available_until: And from then on no more.
    """

    hidden: bool
    available_from: datetime | str | None
    available_until: datetime | str | None


class ClipOptions(TypedDict, total=False):
    """What is said of a clip beside its title; without `video_id` its content names it."""

    video_id: str | None
    description: str | None
    category: str | None
    creator_id: str | None
    language: str | None
    tags: Sequence[str] | None


class Event(TypedDict, total=False):
    """What a user did: the fields of `POST /feedback` (docs/guides/serve.md)."""

    user_id: Required[str | int]
    event: Required[str]
    video_id: str | int | None
    watch_s: float | None
    value: float | None
    timestamp: str | float | datetime | None
    text: str | None
    surface: str | None
    device: str | None
    event_id: str | None
    request_id: str | None
    position: int | None
    undoes: str | None
    creator_id: str | None
    label: str | None
    person_id: str | int | None
