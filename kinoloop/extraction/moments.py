"""Moments: the parts of a video that show different things, of the vectors of its frames.

A frame stands for its part of its shot (`kinoloop.media.shots.cells`); neighbours of one shot that
show the same are one moment, so that a still camera makes one row and not sixteen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.media.shots import cells, shot_of, shots_between

SAME = 0.9
"""Cosine from which two neighbouring frames of a shot show the same."""


def moments_of(
    times_s: NDArray[np.float64], shots_s: NDArray[np.float64], vectors: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Return the moments of a video, in order, as the table `features` has them.

    Args:
        times_s: (n,) of the frames, ascending.
        shots_s: (n_shots, 2) start and end of each shot; none: the video counts as one.
        vectors: (n, dim) float32 unit vectors of the frames.
    """
    if not len(times_s):
        return []
    if not len(shots_s):
        shots_s = shots_between([], float(times_s[-1]))
    parts, shot = cells(times_s, shots_s), shot_of(times_s, shots_s)
    alike = np.einsum("nd,nd->n", vectors[1:], vectors[:-1]) >= SAME
    starts = np.flatnonzero(np.r_[True, (shot[1:] != shot[:-1]) | ~alike])
    sums = np.add.reduceat(vectors, starts, axis=0)
    units = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    ends = np.r_[starts[1:], len(vectors)] - 1
    return [
        {
            "start_s": float(parts[first, 0]),
            "end_s": float(parts[last, 1]),
            "vector": unit.astype(np.float16).tobytes(),
        }
        for first, last, unit in zip(starts, ends, units, strict=True)
    ]
