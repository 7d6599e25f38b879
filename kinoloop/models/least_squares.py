"""Weighted ridge regression of many sparse rows at once: one half of alternating least squares.

Each row minimises Σ_obs c (t − fixed_i − z_i·y)² + α₀ Σ_all (fixed_i + z_i·y)² + λ_row |y|².
With G = ZᵀZ = VΛVᵀ once for all rows, the matrix of a row is V (α₀Λ + λ_row) Vᵀ + Z_obsᵀ C Z_obs:
diagonal plus low rank. A row of L observations is solved as L×L where L is below the width
(Woodbury), as width×width otherwise. Mean rows are 5–20 long, so this is several times cheaper
than solving in the width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK_CELLS = 4_000_000  # cells of one batch's largest array: 32 MB per float64 copy


@dataclass(frozen=True)
class Observed:
    """Observations of each row; row r is `[offsets[r]:offsets[r+1]]`.

    Attributes:
        offsets: (n_rows + 1,) int64.
        columns: (n,) index on the other side.
        weights: (n,) float64, > 0.
        targets: (n,) float64, what is to be predicted.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.integer]
    weights: NDArray[np.float64]
    targets: NDArray[np.float64]

    def transposed(self, n_columns: int) -> "Observed":
        """Return the same observations by column."""
        rows = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        order = np.argsort(self.columns, kind="stable")
        lengths = np.bincount(self.columns, minlength=n_columns)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Observed(offsets, rows[order], self.weights[order], self.targets[order])

    def rows(self, picked: NDArray[np.integer]) -> "Observed":
        """Return the observations of some rows, in the given order."""
        lengths = np.diff(self.offsets)[picked]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[picked] - offsets[:-1], lengths)
        return Observed(offsets, self.columns[at], self.weights[at], self.targets[at])


class Ridge:
    """The side of the problem that all rows share, prepared once; `solve` is then cheap.

    Args:
        features: (n_columns, width), z of each column.
        fixed: (n_columns,) what is predicted before z·y.
        unobserved_weight: α₀; 0 where only what was observed counts.
        regularization: λ; of a row it is λ (observations + α₀ n_columns), of an empty one λ.
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        fixed: NDArray[np.float64],
        *,
        unobserved_weight: float,
        regularization: float,
    ) -> None:
        values, self._basis = np.linalg.eigh(features.T @ features)
        self._rotated = features @ self._basis
        self._fixed = fixed
        self._common = -unobserved_weight * (fixed @ self._rotated)
        self._diagonal = unobserved_weight * np.maximum(values, 0)
        self._ridge = (regularization, unobserved_weight * len(features))

    def solve(self, observed: Observed) -> NDArray[np.float64]:
        """Solve every row, (n_rows, width) float64."""
        lengths, width = np.diff(observed.offsets), self._rotated.shape[1]
        regularization, unobserved = self._ridge
        solved = np.empty((len(lengths), width))
        # One sentinel observation at the end, which the padding points at.
        all_columns = np.append(observed.columns, 0)
        all_weights, targets = np.append(observed.weights, 1.0), np.append(observed.targets, 0)
        for rows in _batches(lengths, width):
            at, real = _padded(observed.offsets[rows], lengths[rows])
            columns, weights = all_columns[at], all_weights[at]
            z = self._rotated[columns] * real[..., None]
            residual = np.where(real, targets[at] - self._fixed[columns], 0.0)
            right = self._common + np.einsum("rlw,rl->rw", z, weights * residual)
            ridge = regularization * np.maximum(lengths[rows] + unobserved, 1)
            found = _solve(z, weights, self._diagonal + ridge[:, None], right)
            solved[rows] = found @ self._basis.T
        return solved


def _solve(
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    diagonal: NDArray[np.float64],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve (diag + zᵀ diag(weights) z) y = right for a batch; z is (rows, length, width)."""
    length, width = z.shape[1:]
    if length >= width:
        full = np.einsum("rlw,rl,rlv->rwv", z, weights, z, optimize=True)
        full[:, np.arange(width), np.arange(width)] += diagonal
        return np.asarray(np.linalg.solve(full, right[..., None])[..., 0])
    plain = right / diagonal
    scaled = z / diagonal[:, None, :]
    small = scaled @ z.transpose(0, 2, 1)
    small[:, np.arange(length), np.arange(length)] += 1 / weights
    inner = np.linalg.solve(small, (z @ plain[..., None]))
    return np.asarray(plain - (scaled.transpose(0, 2, 1) @ inner)[..., 0])


def _batches(lengths: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    """Rows of like length together, so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        # The longest row of a batch sets its size: try a guess from the first, then shrink to fit.
        stop = start + max(1, CHUNK_CELLS // (width * max(1, int(lengths[order[start]]))))
        stop = min(stop, len(order))
        longest = max(1, int(lengths[order[stop - 1]]))
        stop = min(stop, start + max(1, CHUNK_CELLS // (width * max(longest, 1))))
        yield order[start:stop]
        start = stop


def _padded(
    starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions (rows, longest) into the flat arrays, −1 for padding, and which are real."""
    steps = np.arange(max(1, int(lengths.max(initial=0))))
    real = steps < lengths[:, None]
    return np.where(real, starts[:, None] + steps, -1), real
