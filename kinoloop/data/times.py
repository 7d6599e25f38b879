"""Times as people, databases and devices write them, by one set of rules.

Landing files, importers and feedback all read times here, so that a time means the same wherever it
comes in. Read are

- ISO 8601 and what databases make of it: `T` or a space between day and clock, seconds and their
  fraction or none, `Z`, ` UTC`, `+00`, `-0330`, `+05:30` or no zone (then UTC), `20250131T120000Z`;
- epoch numbers, whole or with a fraction, as numbers or as text. Seconds, milliseconds,
  microseconds and nanoseconds are told apart by their size: between 1980 and 2100 the four ranges
  lie far from each other, and from `20250131`, `202501311200` and the day numbers of spreadsheets.

Everything else is ambiguous and is not guessed. Finer than a microsecond is cut off.
"""

import re
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal

import polars as pl

from kinoloop.schema import TIME

Unit = Literal["s", "ms", "us", "ns"]

PER_SECOND: Final[dict[Unit, int]] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EARLIEST, LATEST = 315_532_800, 4_102_444_800  # 1980 and 2100 in seconds: epochs tell their unit
EXPECTED = (
    "ISO 8601 such as 2026-01-31T12:00:00Z, or an epoch in s, ms, µs or ns between 1980 and 2100"
)
LONG_AWAY = 6 * 10**10  # seconds, 1900 years: nothing beyond is an epoch in the unit that is given
LONGEST = 64  # characters of one value; longer ones are not times

_STEPS: Final = (  # each applied once, in this order; together they make text canonical
    (r"^([0-9]{4})([0-9]{2})([0-9]{2})T", "${1}-${2}-${3}T"),
    (r"T([0-9]{2})([0-9]{2})([0-9]{2})", "T${1}:${2}:${3}"),
    (r"^([0-9-]{10})$", "${1}T00:00:00"),
    (r"^([0-9-]{10})[ t]", "${1}T"),
    (r"(T[0-9:]{5})($|[ zZ+-])", "${1}:00${2}"),
    (r"(T[0-9:]{8}),", "${1}."),
    (r"(T[0-9:.]{8,}) ?(?:$|[zZ]$|(?i:UTC|GMT)$)", "${1}+00:00"),
    (r"(T[0-9:.]{8,}) ([+-])", "${1}${2}"),
    (r"(T[0-9:.]{8,}[+-][0-9]{2})$", "${1}:00"),
    (r"(T[0-9:.]{8,}[+-][0-9]{2})([0-9]{2})$", "${1}:${2}"),
)
_CANONICAL: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?[+-][01][0-9]:[0-5][0-9]$"
)
_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%.f%:z"
_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_WHOLE: Final = r"^[+-]?[0-9]+$"
_SPACE: Final = " \t\r\n"
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def read_times(column: pl.Series, *, unit: Unit | None = None) -> pl.Series | None:
    """Read a column as times.

    Args:
        column: Text, numbers, dates or times.
        unit: Of epoch numbers; None: by their size.

    Returns:
        Times in µs UTC, null where a value cannot be read or, with a `unit`, can only be an epoch
        in another one. None where the column has a type that holds no times.
    """
    name, have = column.name, column.dtype
    if have == pl.String:
        return _texts(column, unit).alias(name)
    if have == pl.Null:
        return column.cast(TIME)
    if have == pl.Date:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(have, pl.Datetime):
        times = column.dt.cast_time_unit("us")
        zoned = (
            times.dt.replace_time_zone("UTC")
            if have.time_zone is None
            else times.dt.convert_time_zone("UTC")
        )
        return zoned.set(~zoned.is_between(_FIRST, _LAST), None)
    if not have.is_numeric() or have == pl.Float32:  # holds today's seconds only to two minutes
        return None
    whole = column.cast(pl.Int64, strict=False) if have.is_integer() else None
    return _epochs(column.cast(pl.Float64), whole, unit).alias(name)


def why_unreadable(value: object, *, unit: Unit | None = None) -> str:
    """Say what is wrong with a value that is not a time, and show it where it can name nobody."""
    text = shown(value)
    number = _as_float(value)
    likely = None if number is None else _unit_of(number)
    if unit is not None and likely is not None and likely != unit:
        return f"{text} is an epoch in {likely}, not in {unit} as it is said to be"
    if number is not None and unit is None:
        return f"{text} is a number whose unit nobody can know; expected {EXPECTED}"
    return f"{text} is not a time; expected {EXPECTED}"


def shown(value: object) -> str:
    """Return a value as messages may show it: unchanged where it looks like a number or a time."""
    text = str(value)
    if re.fullmatch(r"[0-9TZ :.,/+e-]{1,40}", text):
        return repr(text)
    return f"a text of {len(text)} characters" if isinstance(value, str) else f"{type(value)}"


def _texts(column: pl.Series, unit: Unit | None) -> pl.Series:
    text = column.str.strip_chars(_SPACE)
    numbers = text.str.contains(_NUMBER)
    if not numbers.any():
        return _iso(text)
    digits = text.set(~numbers, None)
    epochs = _epochs(
        digits.cast(pl.Float64, strict=False), digits.cast(pl.Int64, strict=False), unit
    )
    return epochs if numbers.all() else epochs.fill_null(_iso(text.set(numbers, None)))


def _iso(text: pl.Series) -> pl.Series:
    for pattern, replacement in _STEPS:
        if text.str.contains(pattern).any():  # to look costs a fifth of replacing
            text = text.str.replace(pattern, replacement)
    text = text.set(~text.str.contains(_CANONICAL), None)
    times = text.str.to_datetime(_FORMAT, time_unit="us", strict=False).cast(TIME)
    return times.set(~times.is_between(_FIRST, _LAST), None)


def _epochs(numbers: pl.Series, whole: pl.Series | None, unit: Unit | None) -> pl.Series:
    """Epoch numbers as times; whole ones exactly, others to the nearest µs."""
    exact = numbers.clear(len(numbers)).cast(pl.Int64) if whole is None else whole
    n, w = pl.col("n"), pl.col("w")

    def scaled(one: Unit) -> pl.Expr:
        if one == "ns":
            return pl.coalesce(w // 1000, _nearest(n / 1000))
        by = 10**6 // PER_SECOND[one]
        return pl.coalesce(w * by, _nearest(n * by))

    sized = {one: n.is_between(EARLIEST * by, LATEST * by) for one, by in PER_SECOND.items()}
    if unit is None:
        micros = pl.coalesce(pl.when(sized[one]).then(scaled(one)) for one in PER_SECOND)
    else:
        others = pl.any_horizontal(sized[one] for one in PER_SECOND if one != unit)
        near = n.abs() < LONG_AWAY * PER_SECOND[unit]
        micros = pl.when(near & (sized[unit] | ~others)).then(scaled(unit))
    frame = pl.DataFrame({"n": numbers, "w": exact})
    return frame.select(micros.cast(pl.Datetime("us")).cast(TIME)).to_series()


def _nearest(number: pl.Expr) -> pl.Expr:
    return (number + 0.5).floor().cast(pl.Int64, strict=False)


def _as_float(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip(_SPACE)
        return float(text) if len(text) <= LONGEST and re.search(_NUMBER, text) else None
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:  # a whole number beyond 1e308
        return inf


def _unit_of(number: float) -> Unit | None:
    for unit, by in PER_SECOND.items():
        if EARLIEST * by <= number <= LATEST * by:
            return unit
    return None
