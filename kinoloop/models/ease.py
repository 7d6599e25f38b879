"""EASE: a linear autoencoder in closed form; each video is explained by all others.

With X (users × videos) and P = (XᵀX + λI)⁻¹, the weights are B_ij = −P_ij / P_jj, 0 on the
diagonal, and a history is scored by its (recent) row times B. Strong on dense data; it cannot
recommend a video that nobody has watched yet.

The inverse is dense: 4 bytes · n² is held about three times, and time grows with n³ (about 1.2 GB
and half a minute of one core for 10,000 videos). A larger catalogue is cut to its `max_videos`
most watched videos; the rest keeps the popularity prior. Afterwards only the `top_n` strongest
weights of each video are kept, so that serving and the bundle stay sparse.

Source: Steck, WWW 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", equation 8.
"""

import logging
from typing import ClassVar, Literal

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Decay,
    Report,
    Validation,
)
from kinoloop.models.choosing import choose
from kinoloop.models.config import Grids
from kinoloop.models.neighbours import NeighbourConfig, NeighbourRecommender, Neighbours, compact

logger = logging.getLogger(__name__)

SEARCHED_VIDEOS = 2_000  # most watched ones, on which λ is chosen: the inverse grows with n³


class EaseConfig(NeighbourConfig):
    """Regularisation, recency and memory."""

    not_searched: ClassVar[frozenset[str]] = NeighbourConfig.not_searched | {
        "max_videos",
        "top_n",
    }

    grids: ClassVar[Grids] = {
        **NeighbourConfig.grids,
        "regularization": (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0),
    }

    kind: Literal["ease"] = "ease"
    regularization: float = Field(
        50.0, gt=0, description="λ, in users: more pulls rare videos to 0; tuned on MicroLens-50K."
    )
    decay: Decay = 0.8
    top_n: int = Field(500, ge=1, description="Strongest weights kept per video.")
    max_videos: int = Field(
        10_000, ge=1, description="Most watched videos that take part; memory is 12 bytes × its²."
    )


@RECOMMENDERS.register("ease")
class Ease(NeighbourRecommender):
    """Scores by a linear map from the recent history to all videos."""

    Config = EaseConfig
    config: EaseConfig

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:  # noqa: ARG002 (closed form)
        n_videos = len(self.catalogue)
        watched = histories.matrix(n_videos)
        watched.data = (watched.data > 0).astype(np.float32)
        watched.eliminate_zeros()
        users = np.bincount(watched.indices, minlength=n_videos)
        taking_part = np.sort(np.argsort(-users, kind="stable")[: self.config.max_videos])
        taking_part = taking_part[users[taking_part] > 0]
        if len(taking_part) < np.count_nonzero(users):
            logger.warning(
                "ease: %d of %d watched videos take part (max_videos); the rest keeps the prior",
                len(taking_part),
                np.count_nonzero(users),
            )
        if not len(taking_part):  # nobody liked anything: all keep the prior
            nothing = sp.csr_matrix((n_videos, n_videos), dtype=np.float32)
            self._neighbours = Neighbours(compact(nothing))
            return
        most = np.sort(np.argsort(-users, kind="stable")[:SEARCHED_VIDEOS])
        few = most[users[most] > 0]
        if validation is not None:
            gram = _gram(watched[:, few])

            def learn() -> None:
                self._learn(gram.copy(order="F"), few)

            choose(self, "regularization", validation, learn)
        self._learn(_gram(watched[:, taking_part]), taking_part)
        choose(self, "decay", validation)
        self._choose_trend(validation)

    def _learn(self, gram: NDArray[np.float32], videos: NDArray[np.intp]) -> None:
        """Set the weights among some videos, from their `gram`, whose memory it takes."""
        n_videos = len(self.catalogue)
        sparse = _strongest(_solve(gram, self.config.regularization), self.config.top_n)
        offsets = np.zeros(n_videos + 1, dtype=np.int64)
        offsets[videos + 1] = np.diff(sparse.indptr)
        parts = (sparse.data, videos[sparse.indices], np.cumsum(offsets))
        self._neighbours = Neighbours(compact(sp.csr_matrix(parts, shape=(n_videos, n_videos))))


def _gram(watched: sp.csr_matrix) -> NDArray[np.float32]:
    """Users who watched both, (n, n) float32."""
    gram: NDArray[np.float32] = (watched.T @ watched).toarray(order="F")
    return gram.astype(np.float32, copy=False)


def _solve(gram: NDArray[np.float32], regularization: float) -> NDArray[np.float32]:
    """B of EASE, (n, n) float32, 0 on the diagonal; row i is what video i says of the others.

    Takes the memory of `gram`.
    """
    gram[np.diag_indices_from(gram)] += np.float32(regularization)
    inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False, assume_a="pos")
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0)
    return np.asarray(inverse, dtype=np.float32)


def _strongest(weights: NDArray[np.float32], top_n: int) -> sp.csr_matrix:
    """Keep the `top_n` weights of each row that are farthest from 0, as a sparse matrix."""
    n = len(weights)
    top_n = min(top_n, n)
    kept = np.empty((n, top_n), dtype=np.int32)
    for row, values in enumerate(weights):
        kept[row] = np.sort(np.argpartition(-np.abs(values), top_n - 1)[:top_n])
    data = np.take_along_axis(weights, kept, axis=1)
    offsets = np.arange(0, n * top_n + 1, top_n)
    return sp.csr_matrix((data.ravel(), kept.ravel(), offsets), shape=(n, n))
