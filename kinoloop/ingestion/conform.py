"""Bring raw chunks into the landing schema: types checked, missing optional columns filled.

A column whose type cannot be right (a list for `title`, a truth value for `timestamp`) refuses the
batch. A single text value that does not parse stays a row's own matter: the typed column is null
there and `unreadable_<column>` is true, which a rule turns into quarantine.
"""

import json
from collections.abc import Iterable

import polars as pl

from kinoloop.data.ids import BLANKS
from kinoloop.data.times import read_times
from kinoloop.errors import BatchError
from kinoloop.ingestion.row_text import as_json
from kinoloop.schema import (
    ANSWER_COLUMNS,
    EVENT_CHECKS,
    EVENT_CONTEXT,
    LANDING_EVENTS,
    LANDING_VIDEOS,
    REQUIRED_EVENT_COLUMNS,
    REQUIRED_VIDEO_COLUMNS,
    TIME,
    Schema,
)

EXPECTED: dict[str, Schema] = {
    "videos": LANDING_VIDEOS,
    "events": {**LANDING_EVENTS, **EVENT_CONTEXT, **ANSWER_COLUMNS, **EVENT_CHECKS},
}
REQUIRED = {"videos": REQUIRED_VIDEO_COLUMNS, "events": REQUIRED_EVENT_COLUMNS}
IDS = ("user_id", "video_id", "event", "event_id", "request_id", "undoes", "pseudonym", "person_id")
TAG_SEPARATOR = "|"
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DECIMAL = r"^[0-9]+(?:\.0+|\.[0-9]+[eE][0-9]+|(?:\.[0-9]+)?[eE]\+[0-9]+)$"
_EXACT = 2**53  # floats hold every whole number up to that


def parsed_columns(kind: str) -> list[str]:
    """Columns of `videos` or `events` that text is parsed for; each has an `unreadable_…` flag."""
    return [name for name, dtype in EXPECTED[kind].items() if dtype != pl.String]


def check_columns(columns: Iterable[str], *, kind: str, file: str) -> None:
    """Refuse a file that lacks a required column.

    Raises:
        BatchError: Names the first column that is missing and lists those that are there.
    """
    present = list(columns)
    missing = [name for name in REQUIRED[kind] if name not in present]
    if missing:
        raise BatchError(
            file=file,
            column=missing[0],
            check="column_exists",
            count=len(missing),
            hint=f"Missing: {', '.join(missing)}; {_there(present, kind)} "
            "Name the columns as in docs/guides/your-data.md.",
        )


def _there(present: list[str], kind: str) -> str:
    """Which columns a file has; where none is known they may be values, and name somebody."""
    if any(name in EXPECTED[kind] for name in present):
        return f"the file has {', '.join(present)}."
    if len(present) == 1 and any(mark in present[0] for mark in ";\t|"):
        return "its cells are not separated by commas."
    return f"none of its {len(present)} columns has a name that is known: is its header missing?"


def unknown_columns(columns: Iterable[str], kind: str) -> list[str]:
    """Columns that the landing format does not know."""
    return [name for name in columns if name not in EXPECTED[kind]]


def conform(raw: pl.DataFrame, *, kind: str, file: str) -> pl.DataFrame:
    """Type one raw chunk.

    Args:
        raw: As read.
        kind: `videos` or `events`.
        file: For messages.

    Returns:
        The columns of the landing schema (and `extra` for videos, the check columns for events),
        then one boolean `unreadable_<column>` for each column of `parsed_columns`, and
        `decimal_id`: an id is a whole number written as 1.0 or 1E+5. Rows and their order are
        those of `raw`.

    Raises:
        BatchError: A column has a type that cannot be read as what it should be.
    """
    typed: list[pl.Series] = []
    flags: list[pl.Series] = []
    for name, dtype in EXPECTED[kind].items():
        source = raw[name] if name in raw.columns else _nulls(name, raw.height)
        column = _read(source, dtype)
        if column is None:
            raise _wrong_type(source, dtype, file)
        typed.append(column.alias(name))
        if dtype != pl.String:
            unread = (source.is_not_null() & column.is_null()).alias(f"unreadable_{name}")
            flags.append(unread)
    extra = [_extra(raw, file)] if kind == "videos" else []
    ids = [name for name in ("user_id", "video_id") if name in EXPECTED[kind]]
    decimal = pl.any_horizontal(pl.col(ids).str.contains(_DECIMAL)).fill_null(value=False)
    return pl.DataFrame([*typed, *extra, *flags]).with_columns(decimal_id=decimal)


def _nulls(name: str, height: int) -> pl.Series:
    return pl.Series(name, [None], dtype=pl.Null).new_from_index(0, height)


def _read(source: pl.Series, dtype: pl.DataType | type[pl.DataType]) -> pl.Series | None:
    """`source` as `dtype`, unparsable text as null; None where the type itself is wrong."""
    have = source.dtype
    if have == pl.Null:
        return source.cast(dtype)
    if isinstance(have, pl.Categorical | pl.Enum):
        source, have = source.cast(pl.String), pl.String()
    if dtype == pl.String:
        if have.is_float() and source.name in (*IDS, "creator_id"):
            return _whole(source)
        return _word(source) if have == pl.String or have.is_integer() else None
    if dtype == pl.Float64:
        return _number(source)
    if dtype == pl.Int64:
        return _counted(source)
    if dtype == pl.Boolean:
        return _truth(source)
    if dtype == TIME:
        return read_times(source)
    if dtype == pl.Date:
        return _date(source)
    return _tags(source)


def _word(source: pl.Series) -> pl.Series:
    """Text as it is; ids without the spaces around them, and one of nothing else is not an id."""
    text = source.cast(pl.String)
    if text.name not in IDS:
        return text
    text = text.str.strip_chars(BLANKS)
    return text.set(text == "", None)


def _whole(source: pl.Series) -> pl.Series | None:
    """Ids that became floats, as in a frame with gaps; None where one is not a whole number."""
    numbers = source.cast(pl.Float64).fill_nan(None)
    exact = numbers.cast(pl.Int64, strict=False)
    if not ((exact == numbers) & (numbers.abs() <= _EXACT)).all():
        return None
    return exact.cast(pl.String)


def _number(source: pl.Series) -> pl.Series | None:
    if source.dtype == pl.String:
        return source.str.strip_chars().cast(pl.Float64, strict=False)
    return source.cast(pl.Float64) if source.dtype.is_numeric() else None


def _counted(source: pl.Series) -> pl.Series | None:
    """Whole numbers; what has a fraction cannot be read as one."""
    number = _number(source)
    if number is None:
        return None
    whole = number.cast(pl.Int64, strict=False)
    return whole.set(whole.cast(pl.Float64) != number, None)


def _truth(source: pl.Series) -> pl.Series | None:
    """Read truth values; as text they are true, yes or 1, and false, no or 0."""
    if source.dtype == pl.Boolean:
        return source
    if source.dtype.is_integer():
        source = source.cast(pl.String)
    if source.dtype != pl.String:
        return None
    text = source.str.strip_chars().str.to_lowercase()
    return text.replace_strict(TRUTHS, default=None, return_dtype=pl.Boolean)


def _date(source: pl.Series) -> pl.Series | None:
    if source.dtype == pl.String:
        return source.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    return source.cast(pl.Date) if source.dtype.is_temporal() else None


def _tags(source: pl.Series) -> pl.Series | None:
    """Read lists of text; text is a JSON array or is split at `TAG_SEPARATOR`.

    Numbers are tags as they are written, a null is none; anything else makes them unreadable.
    """
    if source.dtype == pl.String:
        values = [None if text is None else _split(text) for text in source.to_list()]
        return pl.Series(source.name, values, dtype=pl.List(pl.String))
    if isinstance(source.dtype, pl.List) and source.dtype.inner in {pl.String, pl.Null}:
        return source.cast(pl.List(pl.String)).list.drop_nulls()
    return None


def _split(text: str) -> list[str] | None:
    if not text.lstrip().startswith(("[", '{"')):
        return [tag.strip() for tag in text.split(TAG_SEPARATOR) if tag.strip()]
    try:
        tags = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_json)
        if not isinstance(tags, list):
            return None
        found = [tag for tag in tags if tag is not None]
        "".join(found).encode()  # half of a surrogate pair is not text
    except (ValueError, TypeError, RecursionError):
        return None
    return found


def _no_json(constant: str) -> None:
    raise ValueError(constant)


def _extra(raw: pl.DataFrame, file: str) -> pl.Series:
    """Free columns of videos as one JSON object per row; null where there are none."""
    names = unknown_columns(raw.columns, "videos")
    if not names:
        return _nulls("extra", raw.height).cast(pl.String)
    for name in names:
        if isinstance(raw.schema[name], pl.Binary | pl.Object):
            raise _wrong_type(raw[name], pl.String, file)
    return as_json(raw.select(names)).alias("extra")


def _wrong_type(source: pl.Series, dtype: pl.DataType | type[pl.DataType], file: str) -> BatchError:
    hint = f"Its type is {source.dtype}, expected {_name(dtype)}."
    if dtype == TIME:
        hint += (
            " Write times as a timestamp column, as ISO 8601 text or as epoch numbers (64 bits)."
        )
    return BatchError(
        file=file,
        column=source.name,
        check="column_type",
        count=source.len() - source.null_count(),
        hint=f"{hint} See docs/guides/your-data.md.",
    )


def _name(dtype: pl.DataType | type[pl.DataType]) -> str:
    names = {
        pl.String: "text",
        pl.Float64: "a number",
        pl.Int64: "a whole number",
        pl.Boolean: "true or false",
        pl.Date: "a date",
        TIME: "a time",
    }
    return next((name for known, name in names.items() if known == dtype), "a list of text")
