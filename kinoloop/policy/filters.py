"""Filters of requests: only videos whose columns fit.

A column is filtered by a value, by several of which a video must have one, or by a condition:

    any      one of these values
    all      each of these values
    not      none of these values
    min, max a number, or a time as ISO 8601 writes it; both ends pass
    missing  whether a video without any value passes, too

Parts of a condition must all hold, and so must the filters of several columns. A range holds where
any value of a video lies in it. `min` and `max` of a column without a single number match nothing.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from typing_extensions import TypedDict  # what pydantic reads before Python 3.12

from kinoloop.errors import ConfigError
from kinoloop.policy.columns import Column, Columns, micros

Plain = str | bool | int | float
"""A value of a column."""


Condition = TypedDict(
    "Condition",
    {
        "any": Plain | list[Plain],
        "all": list[Plain],
        "not": Plain | list[Plain],
        "min": Plain,
        "max": Plain,
        "missing": bool,
    },
    total=False,
)
"""What must hold of a column; see above."""

Filters = Mapping[str, Plain | list[Plain] | Condition]
"""By column the value that a video must have, several of which it must have one, or a condition."""

EVERYTHING: Filters = {}
"""Filters nothing."""

NONE = np.empty(0, dtype=np.intp)

NUMBER = r"-?([0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|inf)"
"""Pattern of a number that is text."""

_NUMBER = re.compile(NUMBER)


class VideoFilters:
    """Finds what filters leave out.

    Args:
        videos: Of the catalogue, in its order.

    Examples:
        >>> extra = ['{"age": 6}', None, '{"age": 12}']
        >>> videos = pl.DataFrame({"language": ["en", "de", None], "extra": extra})
        >>> filters = VideoFilters(videos)
        >>> filters.columns
        ('age', 'language')
        >>> filters.outside({"language": ["en", "fr"], "age": "6"})
        array([1, 2])
        >>> filters.outside({"age": {"max": 9, "missing": True}})
        array([2])
    """

    def __init__(self, videos: pl.DataFrame) -> None:
        self._n = len(videos)
        self._columns = Columns(videos)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that can be asked for, sorted."""
        return self._columns.names

    def column(self, name: str) -> Column | None:
        """Return a column; None where no video has a value in it."""
        return self._columns.get(name)

    def unknown(self, filters: Filters) -> list[str]:
        """Columns of filters that no video has."""
        if not filters:
            return []
        known = self._columns.names
        return [name for name in filters if name not in known]

    def outside(self, filters: Filters) -> NDArray[np.intp]:
        """Positions of the videos that a filter leaves out.

        Raises:
            ConfigError: There is no such column, or a bound is neither a number nor a time.
        """
        return np.flatnonzero(~self.passing(filters)) if filters else NONE

    def passing(self, filters: Filters) -> NDArray[np.bool_]:
        """Which videos a filter lets pass, (n_videos,).

        Raises:
            ConfigError: There is no such column, or a bound is neither a number nor a time.
        """
        unknown = self.unknown(filters)
        if unknown:
            known = ", ".join(self.columns) or "none"
            raise ConfigError(
                f"no video has a column {unknown[0]!r}; columns to filter by: {known}"
            )
        return self.passing_all([filters])

    def outside_of_all(self, several: Sequence[Filters]) -> NDArray[np.intp]:
        """Positions that any of several filters leaves out; a column that no video has is empty.

        Raises:
            ConfigError: A bound is neither a number nor a time.
        """
        return np.flatnonzero(~self.passing_all(several)) if several else NONE

    def passing_all(self, several: Sequence[Filters]) -> NDArray[np.bool_]:
        """Which videos each of several filters lets pass, (n_videos,); see `outside_of_all`.

        Raises:
            ConfigError: A bound is neither a number nor a time.
        """
        passing = np.ones(self._n, dtype=np.bool_)
        for filters in several:
            for name, wanted in filters.items():
                passing &= self._fitting(name, condition_of(wanted))
        return passing

    def _fitting(self, name: str, condition: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Which videos fit a condition of one column, (n_videos,)."""
        column = self._columns.get(name)
        asks = any(part in condition for part in ("any", "all", "min", "max"))
        if column is None:
            return np.full(self._n, fill_value=not asks or bool(condition.get("missing")))
        fitting = np.ones(self._n, dtype=np.bool_)
        if "any" in condition:
            fitting &= self._marked(*(column.having(one) for one in _several(condition["any"])))
        for value in condition.get("all", ()):
            fitting &= self._marked(column.having(value))
        if "min" in condition or "max" in condition:
            least = bound(name, condition.get("min", -math.inf))
            most = bound(name, condition.get("max", math.inf))
            fitting &= self._marked(column.between(least, most))
        if "missing" in condition or asks:
            some = self._marked(column.some)
            fitting = (fitting & some) | ~some if condition.get("missing") else fitting & some
        if "not" in condition:
            fitting &= ~self._marked(*(column.having(one) for one in _several(condition["not"])))
        return fitting

    def _marked(self, *positions: NDArray[np.integer]) -> NDArray[np.bool_]:
        marks = np.zeros(self._n, dtype=np.bool_)
        for some in positions:
            marks[some] = True
        return marks


def condition_of(wanted: object) -> Mapping[str, Any]:
    """Return a filter of a column as the condition that it is."""
    return wanted if isinstance(wanted, Mapping) else {"any": wanted}


def check_bounds(filters: Filters) -> None:
    """Refuse a range that ends nowhere.

    Raises:
        ConfigError: Names the column.
    """
    for name, wanted in filters.items():
        condition = condition_of(wanted)
        for part in ("min", "max"):
            if part in condition:
                bound(name, condition[part])


def bound(column: str, value: object) -> float:
    """Read the end of a range: a number, or a time in µs.

    Raises:
        ConfigError: It is neither.
    """
    number = math.nan if isinstance(value, bool) else _as_number(value)
    if math.isnan(number):
        raise ConfigError(
            f"a range of column {column!r} ends at {value!r}, expected a number or a time as ISO "
            "8601 writes it, such as 2026-01-31"
        )
    return number


def _as_number(value: object) -> float:
    text = str(value)
    return float(text) if _NUMBER.fullmatch(text) else micros(text)


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
