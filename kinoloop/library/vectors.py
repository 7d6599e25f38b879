"""Vectors of a caller's own encoder as modalities of a catalogue."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Modality, unusable
from kinoloop.data.ids import IdMap
from kinoloop.errors import ConfigError, DataError
from kinoloop.library.expected import expect
from kinoloop.library.frames import to_polars
from kinoloop.schema import MODALITIES


def modalities_of(features: Mapping[str, Any], ids: IdMap) -> dict[str, Modality]:
    """One modality per entry of `features`.

    Args:
        features: Frames with the columns `video_id` and `vector` by modality; videos that are not
            in a frame lack that modality.
        ids: Of the catalogue.

    Raises:
        ConfigError: They are not by modality, or no modality is called that.
        DataError: A column is missing, a video is unknown or there twice, or a vector is empty,
            zero, not finite or of another length than the first.
    """
    expect(features, Mapping, "features are frames by modality, such as {'visual': frame}")
    odd = sorted(set(features) - set(MODALITIES), key=str)
    if odd:
        raise ConfigError(
            f"features: no modality is called {odd[0]!r}; there are {', '.join(MODALITIES)}"
        )
    return {name: _modality(f"features[{name!r}]", frame, ids) for name, frame in features.items()}


def _modality(what: str, frame: Any, ids: IdMap) -> Modality:  # noqa: ANN401 (any frame library)
    rows = to_polars(frame, what=what)
    missing = [name for name in ("video_id", "vector") if name not in rows.columns]
    if missing:
        raise DataError(
            f"{what} has no column {missing[0]!r}; it has {', '.join(rows.columns) or 'none'}"
        )
    try:
        names = rows["video_id"].cast(pl.String)
    except pl.exceptions.PolarsError as err:
        raise DataError(
            f"{what}: column 'video_id' is {rows['video_id'].dtype}, expected text or whole numbers"
        ) from err
    twice = names.filter(names.is_duplicated())
    if names.null_count() or len(twice):
        wrong = (
            "a video_id is empty" if names.null_count() else f"video {twice[0]!r} is there twice"
        )
        raise DataError(f"{what}: {wrong}")
    try:
        positions = ids.require(names)
    except DataError as err:
        raise DataError(f"{what}: {err}") from err
    given = _matrix(what, rows["vector"], names)
    vectors = np.zeros((len(ids), given.shape[1]), dtype=np.float32)
    vectors[positions] = given / np.linalg.norm(given, axis=1, keepdims=True)
    present = np.zeros(len(ids), dtype=np.bool_)
    present[positions] = True
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()
    return Modality(vectors=vectors, present=present, fingerprint=digest)


def _matrix(what: str, column: pl.Series, names: pl.Series) -> NDArray[np.float32]:
    """Stack the vectors as rows, (n, dim) float32, none of them zero."""
    inner = column.dtype.inner if isinstance(column.dtype, pl.List | pl.Array) else None
    if inner is None or not (inner.is_numeric() or inner == pl.Null):
        raise DataError(f"{what}: column 'vector' is {column.dtype}, expected lists of numbers")
    lists = column.cast(pl.List(pl.Float32))
    lengths = lists.list.len().fill_null(0)
    dim = int(lengths[0]) if len(lengths) else 0
    odd = (lengths != dim) | (lengths == 0)
    if not len(lengths) or odd.any():
        at = odd.arg_true()[0] if len(lengths) else None
        where = "it has no rows" if at is None else f"that of {names[at]!r} has {lengths[at]}"
        raise DataError(f"{what}: vectors need one length from 1 up, the first has {dim}, {where}")
    matrix = lists.explode().fill_null(float("nan")).to_numpy().reshape(len(lists), dim)
    wrong = unusable(matrix, np.ones(len(matrix), dtype=np.bool_))
    if len(wrong):
        raise DataError(
            f"{what}: the vector of {names[int(wrong[0])]!r} is zero or not finite "
            f"({len(wrong)} are); leave such videos out"
        )
    return np.asarray(matrix, dtype=np.float32)
