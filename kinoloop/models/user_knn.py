"""User-kNN: what the people who watched the same lately have watched besides.

score(j | history) = Σ_{u ∈ N(history)} cos(history, x_u) · x_uj, with N the `top_n` training users
whose histories are nearest. Videos that few watched say more about taste than hits, so videos are
weighted by their rarity (inverse user frequency). The model is the training histories themselves:
`max_users` and `max_videos_a_user` bound its memory, and a request costs one sparse product. It
cannot recommend a video that nobody has watched yet.

Source: Herlocker et al., SIGIR 1999 (neighbourhood by user cosine); inverse user frequency of
Breese, Heckerman and Kadie, UAI 1998, section 2.1.2.
"""

from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Decay,
    Report,
    State,
    Validation,
)
from kinoloop.models.choosing import choose
from kinoloop.models.config import Grids
from kinoloop.models.neighbours import DECAYS, compact, recent_weights, strongest
from kinoloop.models.trend import TrendConfig, Trending
from kinoloop.models.vector_query import VectorQuery, summed

CHUNK_CELLS = 8_000_000  # similarities held at a time, at most


class UserKnnConfig(TrendConfig):
    """Neighbourhood, recency, trend and memory."""

    not_searched: ClassVar[frozenset[str]] = TrendConfig.not_searched | {
        "max_users",
        "max_videos_a_user",
    }
    grids: ClassVar[Grids] = {
        **TrendConfig.grids,
        "decay": DECAYS,
        "top_n": (50, 100, 200, 400, 800),
    }

    kind: Literal["user_knn"] = "user_knn"
    top_n: int = Field(200, ge=1, description="Nearest users that are asked.")
    decay: Decay = 0.8
    max_users: int = Field(
        200_000, ge=1, description="Training users kept, those who were there last."
    )
    max_videos_a_user: int = Field(100, ge=1, description="Newest videos kept of each.")


@RECOMMENDERS.register("user_knn")
class UserKnn(Trending):
    """Scores by what the nearest training users watched."""

    Config = UserKnnConfig
    config: UserKnnConfig
    _watched: sp.csr_matrix  # (n_users, n_videos), interest by recency, rows of length 1
    _rarity: NDArray[np.float32]  # (n_videos,)

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:  # noqa: ARG002 (closed form)
        kept = histories.select(histories.weights > 0).last(self.config.max_videos_a_user)
        kept = kept.rows(np.flatnonzero(kept.lengths > 0))
        if len(kept) > self.config.max_users:
            newest = kept.timestamps[kept.offsets[1:] - 1]
            rows = np.argsort(-newest, kind="stable")[: self.config.max_users]
            kept = kept.rows(np.sort(rows))
        users = np.bincount(kept.videos, minlength=len(self.catalogue))
        self._rarity = np.log((1 + len(kept)) / (1 + users)).astype(np.float32)

        def read() -> None:
            self._watched = self._rows(kept)
            self._watched.data /= np.repeat(_norms(self._watched), np.diff(self._watched.indptr))
            self._prepare()

        read()
        choose(self, "decay", validation, read)
        choose(self, "top_n", validation)
        self._choose_trend(validation)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        rows = self._rows(histories)
        step = max(1, CHUNK_CELLS // max(1, self._watched.shape[0]))
        starts = range(0, len(histories), step)
        parts = [self._asked(rows[start : start + step]).toarray() for start in starts]
        scores = np.concatenate(parts)
        return self._with_trend(scores)

    def _rows(self, histories: Histories) -> sp.csr_matrix:
        """Interest by recency and rarity, (n_rows, n_videos)."""
        rows = recent_weights(histories, len(self.catalogue), decay=self.config.decay)
        rows.data *= self._rarity[rows.indices]
        return compact(rows)

    def vector_query(self, history: Histories) -> VectorQuery:
        """Ask for what the nearest users watched, and the trend."""
        watched = self._asked(self._rows(history))
        return self._query(*summed(watched.indices, watched.data))

    def _asked(self, rows: sp.csr_matrix) -> sp.csr_matrix:
        """Sum what the neighbours of some rows watched, (n_rows, n_videos) sparse float32."""
        near = (rows @ self._by_video).tocsr()
        near.data = near.data / np.repeat(_norms(rows), np.diff(near.indptr))
        return strongest(near, self.config.top_n) @ self._watched

    def _prepare(self) -> None:
        self._by_video = self._watched.T.tocsr()

    def _state(self) -> State:
        return {
            "offsets": self._watched.indptr.astype(np.int64),
            "videos": self._watched.indices.astype(np.int32),
            "weights": self._watched.data,
            "rarity": self._rarity,
        }

    def _restore(self, state: State) -> None:
        parts = (state["weights"], state["videos"], state["offsets"])
        shape = (len(state["offsets"]) - 1, len(state["rarity"]))
        self._watched = compact(sp.csr_matrix(parts, shape=shape))
        self._rarity = state["rarity"]
        self._prepare()


def _norms(rows: sp.csr_matrix) -> NDArray[np.float32]:
    """Length of each row, never 0."""
    squares = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
    return np.asarray(np.sqrt(np.maximum(squares, 1e-12)), dtype=np.float32)
