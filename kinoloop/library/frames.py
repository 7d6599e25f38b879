"""Frames of other libraries as Polars frames, without importing those libraries."""

from typing import Any

import polars as pl

from kinoloop.errors import DataError


def to_polars(frame: Any, *, what: str) -> pl.DataFrame:  # noqa: ANN401 (any frame library)
    """Read a Polars (eager or lazy), pandas or Arrow frame as an eager Polars frame.

    Args:
        frame: The frame; a lazy one is collected.
        what: What it is called in messages.

    Raises:
        DataError: It is no frame, or a column holds values that do not go together.
    """
    if isinstance(frame, pl.LazyFrame):
        return _collected(frame, what)
    if isinstance(frame, pl.DataFrame):
        return frame
    if not isinstance(frame, type):  # the class itself has every attribute of a frame
        if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
            return _from_pandas(frame, what)
        if hasattr(frame, "__arrow_c_stream__"):
            return _from_arrow(frame, what)
    raise _no_frame(frame, what)


def _collected(frame: pl.LazyFrame, what: str) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except Exception as err:  # files may be missing, and functions of others raise anything
        raise DataError(
            f"{what}: the lazy frame cannot be collected: {type(err).__name__}: {err}; "
            "try its `collect()`"
        ) from err


def _from_arrow(frame: Any, what: str) -> pl.DataFrame:  # noqa: ANN401 (any frame library)
    try:
        return pl.DataFrame(frame)
    except pl.exceptions.SchemaError:  # one column: an Arrow array, a pandas series
        raise _no_frame(frame, what) from None
    except (Exception, pl.exceptions.PanicException) as err:  # a type that Polars does not have
        raise DataError(
            f"{what}: the Arrow table cannot be read: {err}; rename, convert or drop that column"
        ) from err


def _no_frame(frame: object, what: str) -> DataError:
    return DataError(
        f"{what}: got {type(frame).__module__}.{type(frame).__qualname__}, expected a frame of "
        "Polars, pandas or Arrow"
    )


def _from_pandas(frame: Any, what: str) -> pl.DataFrame:  # noqa: ANN401 (pandas is not imported)
    """Column by column, so that the one that cannot be converted is named."""
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{what}: two columns are called {twice!r}; rename one")
    columns = []
    for at, name in enumerate(names):
        column = frame.iloc[:, at]
        try:
            columns.append(pl.from_pandas(column).alias(name))
        except Exception as err:  # what Arrow cannot hold raises errors of many kinds
            raise DataError(f"{what}: {_mixed(column, name)}") from err
    return pl.DataFrame(columns)


def _mixed(column: Any, name: str) -> str:  # noqa: ANN401 (see above)
    """Which value of a pandas column is the first of another type than those before it."""
    kinds: list[type] = []
    for row, (value, absent) in enumerate(zip(column, column.isna(), strict=True)):
        if absent:
            continue
        if kinds and type(value) is not kinds[0]:
            return (
                f"row {row}, column {name!r}: {value!r} is {type(value).__name__}, the values "
                f"before it are {kinds[0].__name__}; give the column one type"
            )
        kinds = [type(value)]
    return f"column {name!r} has the type {column.dtype}, which has no counterpart; convert it"
