"""A space: vectors of all videos that queries are compared with by inner product."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.vector_query import VectorQuery, VideoVectors

WIDTH = 16
"""Codes whose length is no multiple of this are read number by number, seven times as slowly."""

NEGLIGIBLE = 1e-3
"""Of the length of a vector: what differs by less is lost in codes of 8 bits."""

SAMPLED = 10_000

Rows = Callable[[NDArray[np.integer] | slice], NDArray[np.float32]]
"""Vectors of some videos, (n, dim) float32."""


class Space(NamedTuple):
    """Vectors that are read or made when they are needed; they need not be in memory.

    Attributes:
        n_videos: How many there are.
        dim: How long they are.
        rows: Gives them.
    """

    n_videos: int
    dim: int
    rows: Rows

    @classmethod
    def of(cls, compared: VideoVectors) -> "Space":
        """Vectors of a recommender, the standing of each video as one more number.

        A standing that hardly differs between videos, as what orders equals does, is left out.
        """
        vectors, standing = compared
        n_videos, dim = vectors.shape
        some = vectors[evenly_spaced(n_videos, SAMPLED)]
        usual = float(np.sqrt(np.square(some).sum(axis=1).mean()))
        if float(np.ptp(standing)) < NEGLIGIBLE * usual:
            return cls(n_videos, dim, lambda videos: np.asarray(vectors[videos]))

        def rows(videos: NDArray[np.integer] | slice) -> NDArray[np.float32]:
            return np.column_stack([vectors[videos], standing[videos]])

        return cls(n_videos, dim + 1, rows)

    def padded(self) -> "Space":
        """Return the same, its vectors as long as codes are read fast: zeros follow."""
        beyond = -self.dim % WIDTH
        if not beyond:
            return self

        def rows(videos: NDArray[np.integer] | slice) -> NDArray[np.float32]:
            return np.pad(self.rows(videos), ((0, 0), (0, beyond)))

        return Space(self.n_videos, self.dim + beyond, rows)


def with_standing(asked: VectorQuery) -> NDArray[np.float32]:
    """Return the query vector for `Space.of`, (dim + 1,)."""
    return np.append(asked.vector, np.float32(1))


def as_long(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Return query vectors, (…, d), as long as those of a space: what is beyond compares with 0.

    Examples:
        >>> as_long(np.ones(3, np.float32), 2).tolist(), as_long(np.ones(1, np.float32), 2).tolist()
        ([1.0, 1.0], [1.0, 0.0])
    """
    found = np.zeros((*vectors.shape[:-1], dim), dtype=np.float32)
    shorter = min(dim, vectors.shape[-1])
    found[..., :shorter] = vectors[..., :shorter]
    return found
