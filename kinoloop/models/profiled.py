"""What recommenders that match a profile with videos share (`matching/`).

f_v is the video's modality vectors, projected and summed; p_u the recency-weighted mean of f over
the history. Training uses torch; scoring is numpy. A new video's f is made like any other's.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import Recommender, RecommenderConfig, Report, State, Validation
from kinoloop.models.cosine import cosines
from kinoloop.models.extended import over, read_anew
from kinoloop.models.matching.config import MatchingConfig

if TYPE_CHECKING:
    from kinoloop.models.matching.fused import Fused
    from kinoloop.models.matching.positions import Positions


class ProfiledRecommender(Recommender):
    """Trains a network of `matching` and keeps its arrays.

    Attributes:
        best_epoch: That its weights are of; 0 where it was not fitted here.
    """

    config: MatchingConfig
    goes_on = True
    validation_rows: ClassVar[int]  # looked at after each epoch
    _weights: State

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        super().__init__(config, seed=seed)
        self._learned: State = {}
        self.best_epoch = 0

    @abstractmethod
    def _network(self, positions: "Positions") -> "Fused":
        """Make a fresh network."""

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        from kinoloop.models.matching.training import Watching, train

        def quality(weights: State) -> float:
            assert validation is not None
            self._restore(weights)
            return validation.ndcg(self.score, max_rows=self.validation_rows)

        fitted = train(
            self._network,
            histories,
            self.catalogue,
            config=self.config,
            seed=self.seed,
            watching=Watching(None if validation is None else quality, report, self.warm),
        )
        self._learned, self.best_epoch = fitted.learned, fitted.epoch
        self._restore(fitted.arrays)

    def learned(self) -> State:
        """Return every parameter of the network."""
        return self._learned

    def _profiles(self, histories: Histories) -> NDArray[np.float32]:
        """p_u of each row, (n_rows, dim), of length 1 or 0."""
        recent = histories.last(self.config.length)
        weights = recent.weights * np.power(self.config.decay, recent.ages).astype(np.float32)
        summed = np.zeros((len(recent), self.config.dim), dtype=np.float32)
        np.add.at(summed, recent.row_of, weights[:, None] * self._weights["videos"][recent.videos])
        length = np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), np.float32(1e-9))
        return np.asarray(summed / length)

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return cosines(self._weights["videos"][videos], self._weights["videos"][liked])

    def _state(self) -> State:
        return self._weights

    def _extended_by(self, catalogue: Catalogue, extension: State) -> Recommender:
        """Extend by f of what is new: it is scored like any other."""
        if "unseen" not in self._weights:  # an older release has no projections
            return super()._extended_by(catalogue, extension)
        grown, asked = over(self, catalogue, extension), read_anew(extension, catalogue)
        rows = self._without_content(len(catalogue))
        fused = rows[asked]
        for name, modality in catalogue.modalities.items():
            fused += modality.vectors[asked] @ self._weights[f"project.{name}"].T
        videos = np.zeros((len(catalogue), self.config.dim), dtype=np.float32)
        videos[: len(self.prior)] = self._weights["videos"]
        videos[asked] = fused
        grown._restore({**self._weights, "videos": videos})
        return grown

    def _without_content(self, n_videos: int) -> NDArray[np.float32]:
        """Give what f of each video is beside its content, (n_videos, dim)."""
        return np.tile(self._weights["unseen"], (n_videos, 1))
