"""Sparse top-N similarity between videos: the memory of the neighbourhood recommenders.

Built in blocks of rows that cost about the same, so that the full square of the catalogue never
exists, and many videos that share few things cost little; read one row at a time, so that one
history costs (length × N) additions.
"""

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.base import Decay, State
from kinoloop.models.config import Grids
from kinoloop.models.trend import TrendConfig, Trending
from kinoloop.models.vector_query import VectorQuery, summed

BLOCK_CELLS = 4_000_000  # products that make one block of similarities: at most 48 MB
DECAYS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

_kept = threading.local()


@dataclass(frozen=True)
class Neighbours:
    """Each video's most similar videos.

    Attributes:
        similarity: (n_videos, n_videos) sparse float32; row i holds the neighbours of video i.
    """

    similarity: sp.csr_matrix

    @classmethod
    def of(
        cls,
        rows: sp.csr_matrix,
        *,
        top_n: int,
        shrinkage: float = 0.0,
        most_shared: int | None = None,
    ) -> "Neighbours":
        """Find the top-N neighbours by cosine.

        sim(i, j) = x_i·x_j / (|x_i| |x_j| + shrinkage), 0 on the diagonal.

        Args:
            rows: (n_videos, n_features) sparse, one row per video.
            top_n: Neighbours kept per video.
            shrinkage: Damps similarities that rest on little evidence.
            most_shared: A feature that more videos have adds to their lengths alone: products cost
                the square of how many share it. None: all add.
        """
        norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows = shared_by_few(rows, most_shared)
        columns = rows.T.tocsr()
        blocks = []
        for start, stop in pairwise(_blocks(rows, columns)):
            cosines = (rows[start:stop] @ columns).tocsr()
            at = np.repeat(np.arange(start, start + cosines.shape[0]), np.diff(cosines.indptr))
            cosines.data = cosines.data / (norms[at] * norms[cosines.indices] + shrinkage)
            cosines.data[cosines.indices == at] = 0
            blocks.append(strongest(cosines, top_n))
        similarity = sp.vstack(blocks, format="csr") if blocks else sp.csr_matrix((0, 0))
        return cls(compact(similarity))

    def score(self, histories: Histories, *, decay: float) -> NDArray[np.float32]:
        """Σ_h weight_h · decay^age_h · sim(h, ·), (n_rows, n_videos) float32.

        Args:
            histories: Rows; age 0 is the newest video of a row.
            decay: Weight of each video relative to the next newer one.
        """
        if len(histories) == 1:
            ages = np.arange(len(histories.videos))[::-1]
            weights = histories.weights * np.power(decay, ages).astype(np.float32)
            return self._score_one(histories.videos, weights)
        history = recent_weights(histories, self.similarity.shape[0], decay=decay)
        history.indptr = history.indptr.astype(self.similarity.indptr.dtype, copy=False)
        return np.asarray((history @ self.similarity).toarray(), dtype=np.float32)

    def add(
        self, scores: NDArray[np.float32], histories: Histories, *, weight: float, decay: float
    ) -> None:
        """Add `weight` times what `score` gives to scores, in place."""
        if len(histories) == 1:
            scores += np.float32(weight) * self.score(histories, decay=decay)
            return
        found = recent_weights(histories, scores.shape[1], decay=decay) @ self.similarity
        found.data *= np.float32(weight)
        for row, start in enumerate(found.indptr[:-1]):  # a row stays in the cache
            part = slice(start, found.indptr[row + 1])
            scores[row, found.indices[part]] += found.data[part]

    def found(
        self, history: Histories, *, decay: float
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return what `score` gives for one row, where it is not 0: positions and scores."""
        ages = np.arange(len(history.videos))[::-1]
        weights = history.weights * np.power(decay, ages).astype(np.float32)
        neighbours, similarity, lengths = self._of_each(history.videos)
        return summed(neighbours, similarity * np.repeat(weights, lengths))

    def to(self, videos: NDArray[np.integer], others: NDArray[np.integer]) -> NDArray[np.float32]:
        """Similarity of each of `videos` to each of `others`, (n_others, n_videos) float32."""
        neighbours, similarity, lengths = self._of_each(videos)
        place = _nowhere(self.similarity.shape[0])
        place[others] = np.arange(len(others))
        row, own = place[neighbours], place[others]
        place[others] = -1
        column, found = np.repeat(np.arange(len(videos)), lengths), np.flatnonzero(row >= 0)
        table = np.zeros((len(others), len(videos)), dtype=np.float32)
        table[row[found], column[found]] = similarity[found]
        return np.asarray(table[own])  # one that is asked for twice has its last place

    def _score_one(
        self, videos: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """One row without a sparse product, as a request needs it: 0.1 ms instead of 3 ms."""
        neighbours, similarity, lengths = self._of_each(videos)
        summed = np.zeros((1, self.similarity.shape[0]), dtype=np.float32)
        np.add.at(summed[0], neighbours, similarity * np.repeat(weights, lengths))
        return summed

    def _of_each(
        self, videos: NDArray[np.integer]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Neighbours of each video, one after the other, their similarities, and how many each."""
        starts, ends = self.similarity.indptr[videos], self.similarity.indptr[videos + 1]
        spans = [
            slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        if not spans:
            return np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int64)
        return (
            np.concatenate([self.similarity.indices[span] for span in spans]),
            np.concatenate([self.similarity.data[span] for span in spans]),
            ends - starts,
        )

    def strongest(self, top_n: int) -> "Neighbours":
        """Return the same table with fewer neighbours per video."""
        return Neighbours(compact(strongest(self.similarity, top_n)))

    def over(self, n_videos: int) -> "Neighbours":
        """Return the same table for more videos; new ones have no neighbours."""
        table = self.similarity
        more = np.full(n_videos - table.shape[0], table.indptr[-1], dtype=table.indptr.dtype)
        parts = (table.data, table.indices, np.concatenate([table.indptr, more]))
        return Neighbours(sp.csr_matrix(parts, shape=(n_videos, n_videos)))

    def grown(
        self,
        rows: sp.csr_matrix,
        asked: NDArray[np.integer],
        *,
        top_n: int,
        most_shared: int | None = None,
    ) -> "Neighbours":
        """Return the table for more videos; similarities among the others stay.

        Args:
            rows: (n_videos, n_features) of the grown catalogue, of length 1 or 0.
            asked: Positions of videos that are new, or have other features.
            top_n: Neighbours kept of each of them, and those that it is added to.
            most_shared: See `of`.
        """
        rows = shared_by_few(rows, most_shared)
        cosines = (rows[asked] @ rows.T).tocsr()
        at = np.repeat(np.asarray(asked), np.diff(cosines.indptr))
        cosines.data[cosines.indices == at] = 0
        found = strongest(cosines, top_n).tocoo()
        n_videos = rows.shape[0]
        own = np.zeros(n_videos, dtype=np.bool_)
        own[asked] = True
        table = self.over(n_videos).similarity.tocoo()
        kept = ~(own[table.row] | own[table.col])
        back = ~own[found.col]  # a video that is asked has its neighbours from its own row
        row, column = np.asarray(asked)[found.row], found.col
        rows_of = np.concatenate([table.row[kept], row, column[back]])
        columns = np.concatenate([table.col[kept], column, row[back]])
        values = np.concatenate([table.data[kept], found.data, found.data[back]])
        shape = (n_videos, n_videos)
        return Neighbours(compact(sp.csr_matrix((values, (rows_of, columns)), shape=shape)))

    def state(self) -> State:
        """Arrays to save."""
        return {
            "neighbour_offsets": self.similarity.indptr.astype(np.int64),
            "neighbour_videos": self.similarity.indices.astype(np.int32),
            "neighbour_similarity": self.similarity.data,
        }

    @classmethod
    def from_state(cls, state: State) -> "Neighbours":
        """Take back what `state` gave."""
        n_videos = len(state["neighbour_offsets"]) - 1
        parts = ("neighbour_similarity", "neighbour_videos", "neighbour_offsets")
        matrix = sp.csr_matrix(tuple(state[part] for part in parts), shape=(n_videos, n_videos))
        return cls(compact(matrix))


class NeighbourConfig(TrendConfig):
    """Recency of what is read."""

    grids: ClassVar[Grids] = {**TrendConfig.grids, "decay": DECAYS}

    decay: Decay = 0.7


class NeighbourRecommender(Trending):
    """Scores by the neighbours of the recent history; a concrete class finds them in `_fit`."""

    config: NeighbourConfig
    _neighbours: Neighbours

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return self._with_trend(self._neighbours.score(histories, decay=self.config.decay))

    def vector_query(self, history: Histories) -> VectorQuery:
        """Ask for the neighbours of the recent history, and the trend."""
        return self._query(*self._neighbours.found(history, decay=self.config.decay))

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return self._neighbours.to(liked, videos)

    def _state(self) -> State:
        return self._neighbours.state()

    def _restore(self, state: State) -> None:
        self._neighbours = Neighbours.from_state(state)


def _nowhere(n_videos: int) -> NDArray[np.int32]:
    """Return places of at least so many videos, all −1, which this thread keeps for the next time.

    Whoever writes into them undoes it: to fill them anew costs more than a look-up among many.
    """
    place: NDArray[np.int32] | None = getattr(_kept, "place", None)
    if place is None or len(place) < n_videos:
        place = _kept.place = np.full(n_videos, -1, dtype=np.int32)
    return place


def recent_weights(histories: Histories, n_videos: int, *, decay: float) -> sp.csr_matrix:
    """Interest · decay^age of each event, sparse (n_rows, n_videos); age 0 is the newest."""
    recency = np.power(decay, histories.ages).astype(np.float32)
    found = histories.matrix(n_videos)
    found.data *= recency
    return found


def shared_by_few(rows: sp.csr_matrix, most: int | None) -> sp.csr_matrix:
    """Return rows without the features that more than so many have; as they are where none is."""
    common = np.bincount(rows.indices, minlength=rows.shape[1]) > (most or rows.shape[0])
    if not common.any():
        return rows
    kept = ~common[rows.indices]
    offsets = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return sp.csr_matrix((rows.data[kept], rows.indices[kept], offsets), shape=rows.shape)


def _blocks(rows: sp.csr_matrix, columns: sp.csr_matrix) -> list[int]:
    """Where blocks of rows begin whose products are about `BLOCK_CELLS`, and the end."""
    products = np.diff(columns.indptr)[rows.indices]
    done = np.concatenate([[0], np.cumsum(products, dtype=np.int64)])[rows.indptr]
    starts = [0]
    while starts[-1] < rows.shape[0]:
        far = int(np.searchsorted(done, done[starts[-1]] + BLOCK_CELLS, side="right")) - 1
        starts.append(max(far, starts[-1] + 1))
    return starts


def compact(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """float32 with 32-bit indices: a mix would be converted whole at each product."""
    parts = (matrix.data.astype(np.float32, copy=False), matrix.indices, matrix.indptr)
    compact = sp.csr_matrix(parts, shape=matrix.shape)
    if compact.nnz < np.iinfo(np.int32).max:
        compact.indices = compact.indices.astype(np.int32, copy=False)
        compact.indptr = compact.indptr.astype(np.int32, copy=False)
    return compact


def strongest(cosines: sp.csr_matrix, top_n: int) -> sp.csr_matrix:
    """Keep the `top_n` largest positive values of each row; the order inside a row stays."""
    kept = cosines.data > 0
    crowded = np.flatnonzero(np.diff(cosines.indptr) > top_n)
    for start, stop in zip(cosines.indptr[crowded], cosines.indptr[crowded + 1], strict=True):
        values = cosines.data[start:stop]
        kept[start + np.argpartition(values, -top_n)[:-top_n]] = False
    offsets = np.concatenate([[0], np.cumsum(kept)])[cosines.indptr]
    return sp.csr_matrix((cosines.data[kept], cosines.indices[kept], offsets), shape=cosines.shape)
