"""Concat-and-match: is this video what this user looks for, from content alone?

x = [p_u; f_v], score(u, v) = cos(p_u, M(x)): f_v is the video's modality vectors, projected, masked
and summed; p_u the recency-weighted mean of f over the history; M a small network that answers
"what would somebody like u see in v". Trained to tell the next liked video from videos that others
watched (softmax over cosines). Only content goes in, so a new video is scored like an old one; the
price is a network a (user, video) pair: some 4 ms a history over 20,000 videos on one core.

Training uses torch; scoring is numpy with the video's half of the first layer computed once.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Decay,
    NegativePopularity,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
    cosines,
)

VALIDATION_ROWS = 1000  # looked at after each epoch: a row costs more than in other recommenders
CHUNK_CELLS = 8_000_000  # numbers of the widest array held at a time: 32 MB


class ConcatMatchConfig(RecommenderConfig):
    """Size and training."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {
        "max_positions",
        "batch_size",
    }

    kind: Literal["concat_match"] = "concat_match"
    dim: int = Field(32, ge=2, description="Length of f_v and p_u.")
    hidden: int = Field(64, ge=2, description="Width of M.")
    decay: Decay = 0.8
    length: int = Field(20, ge=1, description="Newest videos of a history that make p_u.")
    temperature: float = Field(0.1, gt=0, description="Cosines are divided by it in training.")
    negatives: int = Field(64, ge=1, description="Watched videos that a step is compared with.")
    negative_popularity: NegativePopularity = 0.5
    epochs: int = Field(10, ge=1, description="Passes over the training positions, at most.")
    patience: int = Field(2, ge=1, description="Epochs without a better validation NDCG@10.")
    batch_size: int = Field(512, ge=1, description="Positions a step.")
    learning_rate: float = Field(3e-3, gt=0, description="Of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    max_positions: int = Field(
        100_000, ge=1, description="Positions an epoch, drawn anew each; bounds the time."
    )


@RECOMMENDERS.register("concat_match")
class ConcatMatch(Recommender):
    """Scores by cos(p_u, M([p_u; f_v]))."""

    Config = ConcatMatchConfig
    config: ConcatMatchConfig
    _weights: State

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        from kinoloop.models.matching.training import train_matcher

        def quality(weights: State) -> float:
            assert validation is not None
            self._restore(weights)
            return validation.ndcg(self.score, max_rows=VALIDATION_ROWS)

        weights = train_matcher(
            self.config,
            histories,
            self.catalogue,
            seed=self.seed,
            quality=None if validation is None else quality,
            report=report,
        )
        self._restore(weights)

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
