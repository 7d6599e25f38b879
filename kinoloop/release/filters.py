"""Filters of requests: only videos that have some value in a column.

Columns are `language`, `category`, `creator_id`, `tags` and the free ones of the landing format, as
far as the catalogue carries them. Which videos have a value is written down once, when the release
is opened: videos sorted by value, so that a filter is one slice per value, set in a mask.

CSV, JSON and Parquet may say the same in two types, so a free column is compared in one form, on
both sides: a truth value is `true` or `false`, however it is spelt (`True`), a number has no zeros
that say nothing (6.0 is 6, 1.50 is 1.5), and text that is a JSON list is its values. What starts
with a zero, as a postcode may, is no number. The other columns are compared as they are written.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.situations import text_of
from kinoloop.errors import ConfigError
from kinoloop.release.given import Filters

OWN = ("language", "category", "creator_id", "tags")
"""Columns of the catalogue that are no free ones."""

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

NONE = np.empty(0, dtype=np.intp)


class _Column(NamedTuple):
    """Which videos have a value.

    Attributes:
        codes: Of each value.
        videos: Positions, by code.
        starts: (n_values + 1,) where each code begins in `videos`.
    """

    codes: Mapping[str, int]
    videos: NDArray[np.int32]
    starts: NDArray[np.int64]

    def having(self, value: str) -> NDArray[np.int32]:
        """Positions of the videos with a value."""
        code = self.codes.get(value)
        return self.videos[:0] if code is None else self.videos[slice(*self.starts[code:][:2])]


class VideoFilters:
    """Finds what filters leave out.

    Args:
        videos: Of the catalogue, in its order.

    Examples:
        >>> extra = ['{"age": 6}', None, None]
        >>> videos = pl.DataFrame({"language": ["en", "de", None], "extra": extra})
        >>> filters = VideoFilters(videos)
        >>> filters.columns
        ('age', 'language')
        >>> filters.outside({"language": ["en", "fr"], "age": "6"})
        array([1, 2])
    """

    def __init__(self, videos: pl.DataFrame) -> None:
        self._n = len(videos)
        at = pl.int_range(pl.len(), dtype=pl.Int32).alias("video")
        self._free: frozenset[str] = frozenset()
        own = [name for name in OWN if name in videos.columns]
        found = {name: videos.select(pl.col(name).alias("value"), at) for name in own}
        if "extra" in videos.columns:
            free = _free(videos["extra"])
            found, self._free = {**free, **found}, frozenset(free)
        columns = {name: _column(having) for name, having in found.items()}
        self._columns = {name: column for name, column in columns.items() if column.codes}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that can be asked for, sorted."""
        return tuple(sorted(self._columns))

    def unknown(self, filters: Filters) -> list[str]:
        """Columns of filters that no video has."""
        return [name for name in filters if name not in self._columns]

    def outside(self, filters: Filters) -> NDArray[np.intp]:
        """Positions of the videos that a filter leaves out.

        Raises:
            ConfigError: There is no such column.
        """
        if not filters:
            return NONE
        unknown = self.unknown(filters)
        if unknown:
            known = ", ".join(self.columns) or "none"
            raise ConfigError(
                f"no video has a column {unknown[0]!r}; columns to filter by: {known}"
            )
        inside = np.ones(self._n, dtype=np.bool_)
        for name, wanted in filters.items():
            form = same_form if name in self._free else text_of
            having = np.zeros(self._n, dtype=np.bool_)
            for value in wanted if isinstance(wanted, list) else [wanted]:
                having[self._columns[name].having(form(value))] = True
            inside &= having
        return np.flatnonzero(~inside)


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


def _free(extra: pl.Series) -> dict[str, pl.DataFrame]:
    """Read free columns: plain values, also those in lists, with the videos that have them."""
    found: dict[str, tuple[list[str], list[int]]] = {}
    for at in extra.is_not_null().arg_true():
        row = _parsed(extra[at])
        for name, value in row.items() if isinstance(row, dict) else ():
            if name in OWN:
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


def _column(having: pl.DataFrame) -> _Column:
    if having.schema["value"] == pl.List(pl.String):
        having = having.explode("value")
    rows = having.with_columns(pl.col("value").cast(pl.String)).drop_nulls().sort("value", "video")
    sizes = rows.group_by("value", maintain_order=True).len()
    starts = np.concatenate([[0], np.cumsum(sizes["len"].to_numpy())])
    return _Column(
        {value: code for code, value in enumerate(sizes["value"])},
        rows["video"].to_numpy(),
        starts.astype(np.int64),
    )
