"""Two towers: a network reads the history, another the video, and a product compares them.

score(u, v) = H(p_u)·V(f_v), both of length 1: f_v is the video's modality vectors, projected and
summed, and a vector of its id where training has seen it; p_u the recency-weighted mean of f over
the history; H and V two small networks. It is deep matrix factorisation whose rows are read from
what they are instead of looked up: a new user by the history, a new video by its content.

Against its sisters: concat-and-match reads [p_u; f_v] together, which costs a network pass per
pair; here each side is read once, so that a slate is one product with a matrix that is ready, as
in matrix factorisation, and any index for nearest neighbours serves it. The sequence recommender
reads the order of the history, which this one knows only by its decay.

Trained by a softmax over the step's own targets and videos drawn evenly, each corrected by how
often it is met (log Q), else popular videos would be pushed down for being popular.

Source: Yi et al., RecSys 2019 (two towers, log-Q correction); Yang et al., WWW 2020 (in-batch and
uniform negatives mixed); Covington et al., RecSys 2016 (a history as the mean of its videos); Xue
et al., IJCAI 2017 (deep matrix factorisation).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.base import PRIOR_SHARE, RECOMMENDERS, State
from kinoloop.models.matching.config import TwoTowerConfig
from kinoloop.models.profiled import ProfiledRecommender
from kinoloop.models.vector_query import VectorQuery, VideoVectors

if TYPE_CHECKING:
    from kinoloop.models.matching.fused import Fused
    from kinoloop.models.matching.positions import Positions

AT_A_TIME = 65_536  # videos that pass the tower together
TOWER = ("first.weight", "first.bias", "second.weight", "second.bias")


@RECOMMENDERS.register("two_tower")
class TwoTower(ProfiledRecommender):
    """Scores by the product of what two towers give."""

    Config = TwoTowerConfig
    holds = "_made"
    config: TwoTowerConfig
    validation_rows = 5000
    _made: NDArray[np.float32] | None  # (n_videos, dim): V(f_v), once it was asked for

    def _network(self, positions: "Positions") -> "Fused":
        from kinoloop.models.matching.towers import Towers

        return Towers(self.catalogue, positions.counts > 0, config=self.config)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        asked = self._through("history", self._profiles(histories))
        return self._break_ties(np.asarray(asked @ self._offered.T, dtype=np.float32))

    def video_vectors(self) -> VideoVectors:
        """Return V(f_v), and what orders equals."""
        return VideoVectors(self._offered, np.float32(PRIOR_SHARE) * self.proven.prior)

    def vector_query(self, history: Histories) -> VectorQuery:
        """Return U(p_u)."""
        return VectorQuery.alone(self._through("history", self._profiles(history))[0])

    def _through(self, tower: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pass vectors through a tower, (n, dim) of length 1."""
        weights = {name: self._weights[f"{tower}.{name}"] for name in TOWER}
        unit = _of_length_1(values)
        hidden = np.maximum(unit @ weights["first.weight"].T + weights["first.bias"], 0)
        return _of_length_1(unit + hidden @ weights["second.weight"].T + weights["second.bias"])

    def _restore(self, state: State) -> None:
        self._weights, self._made = state, None

    @property
    def _offered(self) -> NDArray[np.float32]:
        """V(f_v), (n_videos, dim)."""
        if self._made is None:
            fused = self._weights["videos"]
            made = np.empty(fused.shape, dtype=np.float32)
            for start in range(0, len(fused), AT_A_TIME):
                part = slice(start, start + AT_A_TIME)
                made[part] = self._through("video", fused[part])
            self._made = made
        return self._made

    def _without_content(self, n_videos: int) -> NDArray[np.float32]:
        rows = super()._without_content(n_videos)
        rows[: len(self._weights["ids"])] = self._weights["ids"]
        return rows


def _of_length_1(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return np.asarray(rows / length, dtype=np.float32)
