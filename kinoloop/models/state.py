"""Reading what a model has learned: numbers that are none, and weights that are all zero, are none.

A state that holds NaN answers slates without an order, and one of zeros the same slate for
everybody; both load without an error.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from kinoloop.errors import BundleError

NOT_LEARNED = frozenset({"prior"})
"""Counted, not learned: it may be all there is, and zero where nobody liked anything."""


def read_state(path: Path, *, weights: str = "") -> dict[str, NDArray[Any]]:
    """Read the arrays of a `state.safetensors`.

    Args:
        path: The file.
        weights: Prefix of the names of the arrays that were learned.

    Raises:
        BundleError: An array is not finite, or all weights are zero.
    """
    state = load_file(path)
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
