"""A space: vectors of all videos that queries are compared with by inner product."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.models.vector_query import VectorQuery, VideoVectors

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
        """Vectors of a recommender, the standing of each video as one more number."""

        def rows(videos: NDArray[np.integer] | slice) -> NDArray[np.float32]:
            return np.column_stack([compared.vectors[videos], compared.standing[videos]])

        n_videos, dim = compared.vectors.shape
        return cls(n_videos, dim + 1, rows)


def with_standing(asked: VectorQuery) -> NDArray[np.float32]:
    """Return the query vector for `Space.of`, (dim + 1,)."""
    return np.append(asked.vector, np.float32(1))
