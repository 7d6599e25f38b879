"""The values of several columns of each video, as rows of a sparse matrix that is read by the head.

A few numpy calls per head: slices of a scipy matrix would cost as much as a whole rule.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.policy.columns import Words


class Cells(NamedTuple):
    """The cells of some rows that are not zero.

    Attributes:
        rows: (m,) from 0.
        codes: (m,) of the values.
        shares: (m,) float32.
    """

    rows: NDArray[np.intp]
    codes: NDArray[np.int32]
    shares: NDArray[np.float32]


class Bags:
    """Which videos have which values, rows of length 1.

    Args:
        columns: One beside the other.
        n_videos: In the catalogue.
        by: Norm of a row: 2, or 1 for shares.
    """

    def __init__(self, columns: Sequence[Words], n_videos: int, *, by: int = 2) -> None:
        matrix = sp.hstack([_matrix(one, n_videos) for one in columns], format="csr")
        matrix.data[:] = 1  # a value that a row says twice
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        lengths = np.sqrt(sums) if by == 2 else sums
        scale = 1 / np.where(lengths > 0, lengths, 1)
        self._starts, self._codes = matrix.indptr.astype(np.int64), matrix.indices
        self._shares = np.repeat(scale, np.diff(matrix.indptr)).astype(np.float32)

    def cells(self, videos: NDArray[np.integer]) -> Cells:
        """Read the rows of some videos."""
        starts = self._starts[videos]
        lengths = self._starts[videos + 1] - starts
        rows = np.repeat(np.arange(len(videos)), lengths)
        first = np.cumsum(lengths) - lengths
        at = np.arange(len(rows)) + (starts - first)[rows]
        return Cells(rows, self._codes[at], self._shares[at])

    def dense(self, videos: NDArray[np.integer]) -> NDArray[np.float32]:
        """Rows of some videos, one column per value that any of them has."""
        rows, codes, shares = self.cells(videos)
        known, columns = np.unique(codes, return_inverse=True)
        found = np.zeros((len(videos), len(known)), dtype=np.float32)
        found[rows, columns] = shares
        return found

    def among(self, videos: NDArray[np.integer], known: NDArray[np.integer]) -> NDArray[np.float64]:
        """Rows of some videos, one column per code in `known`, which ascends."""
        rows, codes, shares = self.cells(videos)
        columns = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        there = known[columns] == codes
        found = np.zeros((len(videos), len(known)))
        found[rows[there], columns[there]] = shares[there]
        return found


def _matrix(column: Words, n_videos: int) -> sp.csr_matrix:
    of = np.repeat(np.arange(len(column.codes)), np.diff(column.starts))
    ones = np.ones(len(column.videos), dtype=np.float32)
    return sp.csr_matrix((ones, (column.videos, of)), shape=(n_videos, len(column.codes)))
