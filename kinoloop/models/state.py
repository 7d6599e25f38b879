"""Write and read what a model has learned; NaN, infinity and weights that are all zero are refused.

A state that holds NaN answers slates without an order, and one of zeros the same slate for
everybody; both load without an error. Large arrays are mapped from the disk: all workers of a
service share them, and a catalogue of ten million videos need not fit into the memory of each.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from kinoloop.errors import BundleError

State = dict[str, NDArray[Any]]

PIECE = 2**18
"""Numbers that are read at once; the interpreter stands still meanwhile, for about 0.3 ms."""

MAPPED = 2**22
"""Numbers from which an array is mapped and not read."""

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}

NOT_LEARNED = frozenset({"prior"})
"""Counted, not learned: it may be all there is, and zero where nobody liked anything."""


def write_state(path: Path, state: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; a file that is there is replaced, and stays for whoever has mapped it."""
    written = path.with_name(f".{path.name}")
    save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, written)
    written.replace(path)


def read_state(path: Path, *, weights: str = "") -> State:
    """Read the arrays of a `state.safetensors`.

    Args:
        path: The file.
        weights: Prefix of the names of the arrays that were learned.

    Raises:
        BundleError: An array is not finite, or all weights are zero.
    """
    with safe_open(path, framework="np") as file:
        names, places = file.keys(), _places(path)
        state = {name: _read_array(file, name, path, places.get(name, 0)) for name in names}
    learned = []
    for name, array in state.items():
        if not np.issubdtype(array.dtype, np.floating) or not array.size:
            continue
        lowest, highest = array.min(), array.max()  # NaN spreads; no copy of a large array is made
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise BundleError(
                f"{path}: {name} has numbers that are not finite (lowest {lowest}, highest "
                f"{highest}); training went wrong or the file was changed: retrain"
            )
        if name.startswith(weights) and name not in NOT_LEARNED:
            learned.append(bool(lowest == highest == 0))
    if learned and all(learned):
        raise BundleError(
            f"{path}: all {len(learned)} arrays of weights are zero; nothing was learned or the "
            "file was changed: retrain"
        )
    return state


def _places(path: Path) -> dict[str, int]:
    """Where the numbers of each array begin in a file whose header was found to be sound."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    told = {name: one["data_offsets"][0] for name, one in header.items() if name != "__metadata__"}
    return {name: 8 + size + start for name, start in told.items()}


def _read_array(
    file: Any,  # noqa: ANN401 (safetensors has no types)
    name: str,
    path: Path,
    place: int,
) -> NDArray[Any]:
    """One array: mapped, or piece by piece, so that a service that loads one answers meanwhile.

    Read at once, 14 MB kept every other thread waiting for 41 ms. What is mapped can be changed by
    whoever reads it: the file stays as it is.
    """
    part = file.get_slice(name)
    shape = part.get_shape()
    size = math.prod(shape)
    kind = _TYPES.get(part.get_dtype())
    if size >= MAPPED and kind is not None:
        mapped = np.memmap(path, dtype=kind, mode="c", offset=place, shape=tuple(shape))
        return mapped.view(np.ndarray)
    if size <= PIECE:
        return np.asarray(file.get_tensor(name))
    rows = max(1, PIECE * shape[0] // size)
    first = part[0:rows]
    array = np.empty(shape, first.dtype)
    array[0:rows] = first
    for start in range(rows, shape[0], rows):
        end = min(start + rows, shape[0])
        array[start:end] = part[start:end]
    return array
