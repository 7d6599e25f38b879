"""Concat-and-match: is this video what this user looks for, from content alone?

x = [p_u; f_v], score(u, v) = cos(p_u, M(x)): f_v is the video's modality vectors, projected, masked
and summed; p_u the recency-weighted mean of f over the history; M a small network that answers
"what would somebody like u see in v". Trained to tell the next liked video from videos that others
watched (softmax over cosines). Only content goes in, so a new video is scored like an old one; the
price is one network pass per (user, video) pair: some 4 ms per history over 20k videos on one core.

Training uses torch; scoring is numpy with the video's half of the first layer computed once.
"""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
)
from kinoloop.models.cosine import cosines
from kinoloop.models.extended import over, read_anew
from kinoloop.models.matching.config import ConcatMatchConfig

VALIDATION_ROWS = 1000  # looked at after each epoch: a row costs more than in other recommenders
CHUNK_CELLS = 8_000_000  # numbers of the widest array held at a time: 32 MB


@RECOMMENDERS.register("concat_match")
class ConcatMatch(Recommender):
    """Scores by cos(p_u, M([p_u; f_v]))."""

    Config = ConcatMatchConfig
    config: ConcatMatchConfig
    goes_on = True
    _weights: State

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        super().__init__(config, seed=seed)
        self._learned: State = {}

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        from kinoloop.models.matching.training import Watching, train_matcher

        def quality(weights: State) -> float:
            assert validation is not None
            self._restore(weights)
            return validation.ndcg(self.score, max_rows=VALIDATION_ROWS)

        fitted = train_matcher(
            self.config,
            histories,
            self.catalogue,
            seed=self.seed,
            watching=Watching(None if validation is None else quality, report, self.warm),
        )
        self._learned = fitted.learned
        self._restore(fitted.arrays)

    def learned(self) -> State:
        """Return every parameter of the network; none belongs to a video."""
        return self._learned

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        profiles = self._profiles(histories)
        scores = np.empty((len(histories), len(self.catalogue)), dtype=np.float32)
        asked = profiles @ self._weights["first_profile"].T + self._weights["first_bias"]
        step = max(1, CHUNK_CELLS // max(1, asked.shape[1] * len(histories)))
        for start in range(0, len(self.catalogue), step):
            part = slice(start, start + step)
            hidden = np.maximum(self._offered[part] + asked[:, None], 0)
            answer = hidden @ self._weights["second"].T + self._weights["second_bias"]
            length = np.maximum(np.linalg.norm(answer, axis=2), np.float32(1e-9))
            scores[:, part] = np.einsum("rvd,rd->rv", answer, profiles) / length
        return self._break_ties(scores)

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

    def _restore(self, state: State) -> None:
        self._weights = state
        self._offered = np.asarray(state["videos"] @ state["first_video"].T, dtype=np.float32)

    def _extended_by(self, catalogue: Catalogue, extension: State) -> Recommender:
        """Extend by f of what is new: it is scored like any other."""
        if "unseen" not in self._weights:  # an older release has no projections
            return super()._extended_by(catalogue, extension)
        grown, asked = over(self, catalogue, extension), read_anew(extension, catalogue)
        fused = np.tile(self._weights["unseen"], (len(asked), 1))
        for name, modality in catalogue.modalities.items():
            fused += modality.vectors[asked] @ self._weights[f"project.{name}"].T
        videos = np.zeros((len(catalogue), self.config.dim), dtype=np.float32)
        videos[: len(self.prior)] = self._weights["videos"]
        videos[asked] = fused
        grown._restore({**self._weights, "videos": videos})
        return grown
