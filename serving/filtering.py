"""Filters of requests, as they travel; `kinoloop.policy.filters` reads them."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    TypeAdapter,
    WithJsonSchema,
)
from typing_extensions import TypedDict  # what pydantic reads before Python 3.12

from kinoloop.data.situations import MAX_CONTEXT_CHARACTERS
from kinoloop.errors import ConfigError
from kinoloop.policy.filters import NUMBER, bound

Word = Annotated[str, Field(strict=True, max_length=MAX_CONTEXT_CHARACTERS)]

IN_WORDS = "x-in-words"
"""Key of a schema under which it says what it allows, for people."""

MAX_FILTERS, MAX_FILTER_VALUES = 10, 50

Value = Word | StrictBool | StrictInt | FiniteFloat
Filter = Annotated[list[Value], Field(max_length=MAX_FILTER_VALUES)]


def _as_bound(value: object) -> object:
    try:
        bound("", value)
    except ConfigError as err:
        raise ValueError(str(err)) from err  # which pydantic gives a place in the request
    return value


Bound = Annotated[Value, AfterValidator(_as_bound)]

Condition = TypedDict(
    "Condition",
    {
        "any": Value | Filter,
        "all": Filter,
        "not": Value | Filter,
        "min": Bound,
        "max": Bound,
        "missing": StrictBool,
    },
    total=False,
)
Condition.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
_VALUE = TypeAdapter(Value).json_schema()
_VALUES = {"type": "array", "maxItems": MAX_FILTER_VALUES, "items": _VALUE}
_BOUND = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "maxLength": MAX_CONTEXT_CHARACTERS, "pattern": f"^({NUMBER})$"},
    ],
    IN_WORDS: "a number, or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z",
}
_CONDITION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "any": {"anyOf": [_VALUE, _VALUES]},
        "all": _VALUES,
        "not": {"anyOf": [_VALUE, _VALUES]},
        "min": _BOUND,
        "max": _BOUND,
        "missing": {"type": "boolean"},
    },
}


Ranged = Annotated[Condition, WithJsonSchema(_CONDITION)]
Filters = Annotated[
    dict[Word, Value | Filter | Ranged],
    Field(
        default_factory=dict,
        max_length=MAX_FILTERS,
        description="Only videos that have this value in a column, or one of these values: "
        "`language`, `category`, `creator_id`, `tags`, `labels`, `duration_s`, `published_at`, the "
        "free columns of the catalogue (`/about` names all of them). Or a condition, of which all "
        "parts must hold: `any` and `not` take a value or several, `all` several, `min` and `max` "
        "a number or a time in ISO 8601, and `missing` says whether a video without a value "
        "passes. A column that no video has is refused by name.",
        examples=[{"language": ["en", "de"], "duration_s": {"max": 60}}],
    ),
]
