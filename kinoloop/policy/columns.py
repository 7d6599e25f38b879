"""Columns of a catalogue as rules and filters read them: which videos have which values.

Columns are `language`, `category`, `creator_id`, `tags`, `labels`, `free_tags`, the numbers and
times of the landing format, and its free columns, as far as the catalogue carries them. Which
videos have a value is written down once, when the release is opened: videos sorted by value, so
that a value is one slice.

CSV, JSON and Parquet may say the same in two types, so a free column is compared in one form, on
both sides: a truth value is `true` or `false`, however it is spelt (`True`), a number has no zeros
that say nothing (6.0 is 6, 1.50 is 1.5), and text that is a JSON list is its values. What starts
with a zero, as a postcode may, is no number. The other columns are compared as they are written.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.situations import text_of

OWN = ("language", "category", "creator_id", "tags", "labels", "free_tags")
"""Columns of words that are no free ones."""

AT_ONCE = ("language", "category", "creator_id", "tags")
"""Of these, what is read when the release is opened."""

NUMBERS, TIMES = ("duration_s",), ("published_at", "available_from", "available_until")
"""Columns of numbers and of times that are no free ones."""

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Words:
    """A column of words: which videos have a value.

    Attributes:
        codes: Of each value.
        videos: Positions, by code.
        starts: (n_values + 1,) where each code begins in `videos`.
        form: How a value is written to be compared.
    """

    codes: Mapping[str, int]
    videos: NDArray[np.int32]
    starts: NDArray[np.int64]
    form: Callable[[object], str] = text_of

    def having(self, value: object) -> NDArray[np.int32]:
        """Positions of the videos with a value."""
        code = self.codes.get(self.form(value))
        return self.videos[:0] if code is None else self.videos[slice(*self.starts[code:][:2])]

    def between(self, least: float, most: float) -> NDArray[np.int32]:
        """Positions of the videos with a value that is a number, or a time in µs, in a range."""
        codes = np.flatnonzero((self._numbers >= least) & (self._numbers <= most))
        found = [self.videos[self.starts[code] : self.starts[code + 1]] for code in codes]
        return np.concatenate([self.videos[:0], *found])

    @property
    def some(self) -> NDArray[np.int32]:
        """Positions of the videos with any value; some may be there twice."""
        return self.videos

    def first_code(self, n_videos: int) -> NDArray[np.int32]:
        """Return the code of each video, the lowest of several, −1 without one, (n_videos,)."""
        found = np.full(n_videos, -1, dtype=np.int32)
        of = np.repeat(np.arange(len(self.codes), dtype=np.int32), np.diff(self.starts))
        found[self.videos[::-1]] = of[::-1]
        return found

    def numbers(self, n_videos: int) -> NDArray[np.float64]:
        """Return the number of each video, the lowest of several, NaN without one, (n_videos,)."""
        found = np.full(n_videos, np.nan)
        of = np.repeat(self._numbers, np.diff(self.starts))
        with np.errstate(invalid="ignore"):
            np.fmin.at(found, self.videos, of)
        return found

    @cached_property
    def _numbers(self) -> NDArray[np.float64]:
        """(n_values,) each value as a number, or as a time in µs; NaN where it is neither."""
        return np.array([_number(value) for value in self.codes], dtype=np.float64)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, or of times.

    Attributes:
        values: (n_videos,) float64; times in µs since the epoch; NaN where there is none.
        of_times: Whether they are times.
    """

    values: NDArray[np.float64]
    of_times: bool

    def having(self, value: object) -> NDArray[np.intp]:
        """Positions of the videos with a value; none has one that is no number."""
        number = _number(value)
        return np.flatnonzero(self.values == number)

    def between(self, least: float, most: float) -> NDArray[np.intp]:
        """Positions of the videos with a value in a range, both ends included."""
        return np.flatnonzero((self.values >= least) & (self.values <= most))

    @property
    def some(self) -> NDArray[np.intp]:
        """Positions of the videos with any value."""
        return np.flatnonzero(~np.isnan(self.values))

    def first_code(self, n_videos: int) -> NDArray[np.int32]:
        """Return a code for each video by its value, −1 without one, (n_videos,)."""
        found = np.full(n_videos, -1, dtype=np.int32)
        some = self.some
        found[some] = np.unique(self.values[some], return_inverse=True)[1]
        return found

    def numbers(self, n_videos: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Words)
        """Return the number of each video, NaN without one, (n_videos,)."""
        return self.values


Column = Words | Numbers


class Columns:
    """The columns of a catalogue in which some video has a value, read when they are asked for.

    What filters have always been asked for is read at once, so that no request waits for it.

    Args:
        videos: Of the catalogue, in its order.
    """

    def __init__(self, videos: pl.DataFrame) -> None:
        self._read: dict[str, Column] = {}
        if "extra" in videos.columns:
            free = _free(videos["extra"])
            self._read = {name: _words(rows, same_form) for name, rows in free.items()}
        self._read |= {name: _own(videos, name) for name in AT_ONCE if name in videos.columns}
        self._read = {name: column for name, column in self._read.items() if len(column.some)}
        later = (*OWN, *NUMBERS, *TIMES)
        self._later = {
            name: videos.select(name)
            for name in later
            if name not in AT_ONCE and name in videos.columns and _has_value(videos[name])
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all of them, sorted."""
        return tuple(sorted({*self._read, *self._later}))

    def get(self, name: str) -> Column | None:
        """Return a column; None where no video has a value in it."""
        if name not in self._read and name in self._later:
            self._read[name] = _own(self._later[name], name)  # two threads read the same
        return self._read.get(name)


def _own(videos: pl.DataFrame, name: str) -> Column:
    """Read a column that is no free one."""
    if name in OWN:
        value = _named() if name == "labels" else pl.col(name)
        at = pl.int_range(pl.len(), dtype=pl.Int32).alias("video")
        return _words(videos.select(value.alias("value"), at), text_of)
    times = pl.col(name).cast(pl.Int64) if name in TIMES else pl.col(name)
    values = videos.select(times.cast(pl.Float64).fill_null(float("nan"))).to_series()
    return Numbers(values.to_numpy(), name in TIMES)


def _has_value(column: pl.Series) -> bool:
    if isinstance(column.dtype, pl.List):
        return bool((column.list.len() > 0).any())
    return column.null_count() < len(column)


def same_form(value: object) -> str:
    """Write a value of a free column as the one text that it is compared by.

    Examples:
        >>> [same_form(value) for value in (True, "TRUE", 6, "6.0", "1.50", "007", "1e3", "6 km")]
        ['true', 'true', '6', '6', '1.5', '007', '1000', '6 km']
    """
    text = text_of(value)
    if text.lower() in {"true", "false"}:
        return text.lower()
    number = _DECIMAL.fullmatch(text)
    if number is None or not (number[2] or number[3]) or not math.isfinite(float(text)):
        return text
    return text_of(float(text))


def micros(text: str) -> float:
    """Read a time as ISO 8601 writes it, µs since the epoch, UTC without a zone; NaN: it is none.

    Examples:
        >>> micros("2026-01-31"), micros("1970-01-01T01:00:01+01:00"), micros("soon")
        (1769817600000000.0, 1000000.0, nan)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6


def number_of(text: str | None) -> float | None:
    """Read a number; None where there is none.

    Examples:
        >>> number_of("12"), number_of("12+"), number_of(None)
        (12.0, None, None)
    """
    return float(text) if text is not None and _DECIMAL.fullmatch(text) else None


def _number(value: object) -> float:
    """Read a value as a number, or as a time in µs."""
    text = text_of(value)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return micros(text) if "-" in text else math.nan


def _named() -> pl.Expr:
    """Names of labels, plain and with their facet, such as `dog` and `shows:dog`."""
    one = pl.element().struct
    plain = pl.col("labels").list.eval(one.field("label"))
    full = pl.concat_str(one.field("facet"), pl.lit(":"), one.field("label"))
    return plain.list.concat(pl.col("labels").list.eval(full))


def _free(extra: pl.Series) -> dict[str, pl.DataFrame]:
    """Read free columns: plain values, also those in lists, with the videos that have them."""
    found: dict[str, tuple[list[str], list[int]]] = {}
    for at in extra.is_not_null().arg_true():
        row = _parsed(extra[at])
        for name, value in row.items() if isinstance(row, dict) else ():
            if name in OWN or name in NUMBERS or name in TIMES:
                continue
            plain = [
                same_form(one) for one in _several(value) if isinstance(one, str | int | float)
            ]
            values, videos = found.setdefault(name, ([], []))
            values += plain
            videos += [at] * len(plain)
    schema = {"value": pl.String, "video": pl.Int32}
    return {
        name: pl.DataFrame({"value": values, "video": videos}, schema=schema)
        for name, (values, videos) in found.items()
    }


def _parsed(text: str) -> object:
    """Read JSON; None where it is none, or too deep to be a row."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _several(value: object) -> list[object]:
    """Values of a cell: those of a list, which a text file has as text."""
    if isinstance(value, str) and value.startswith("["):
        value = found if isinstance(found := _parsed(value), list) else value
    return value if isinstance(value, list) else [value]


def _words(having: pl.DataFrame, form: Callable[[object], str]) -> Words:
    if having.schema["value"] == pl.List(pl.String):
        having = having.explode("value")
    rows = having.with_columns(pl.col("value").cast(pl.String)).drop_nulls().sort("value", "video")
    sizes = rows.group_by("value", maintain_order=True).len()
    starts = np.concatenate([[0], np.cumsum(sizes["len"].to_numpy())])
    codes = {value: code for code, value in enumerate(sizes["value"])}
    return Words(codes, rows["video"].to_numpy(), starts.astype(np.int64), form)
