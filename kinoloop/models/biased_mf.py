"""Biased matrix factorisation by alternating least squares, for implicit and explicit targets.

r̂(u, i) = μ + b_u + b_i + q_i·p_u. With implicit targets it is fitted to 1 where a user showed
interest (weight c), to 0 where the user disliked (weight |c|), and, lightly, to 0 everywhere else
(weight α₀); with explicit targets to the interest itself (ratings above all), where there is one:

    Σ_observed c (t − r̂)² + α₀ Σ_all r̂² + Σ λ_u |p_u|² + Σ λ_i |q_i|²,
    λ_u = λ (n_u + α₀ n_videos), λ_i = λ (n_i + α₀ n_users).

A row is solved with (b_u, p_u) as one unknown against (1, q_i), so biases cost nothing extra; at
score time the user is folded in from the history in the same way, so there is no user table and a
new user is served like an old one. Short rows are solved in the size of the row and not of the
factors (Woodbury, in the eigenbasis of the Gram matrix).

The solver is our own: the `implicit` library's has no biases and no weight for what was not
observed. On MicroLens-50K both reach the same quality at like cost (docs/results/candidates.md).

Source: Hu, Koren and Volinsky, ICDM 2008; biases of Koren, Bell and Volinsky, IEEE Computer 42(8),
2009; frequency-scaled λ of Rendle et al., RecSys 2022, "Revisiting the Performance of iALS".
"""

import logging
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Decay,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Tied,
    Validation,
)
from kinoloop.models.cosine import cosines
from kinoloop.models.least_squares import Observed, Ridge

logger = logging.getLogger(__name__)


class BiasedMfConfig(RecommenderConfig):
    """Size, regularisation and the weight of what was not observed."""

    only_with: ClassVar[Tied] = {"unobserved_weight": ("target", ("implicit",))}

    kind: Literal["biased_mf"] = "biased_mf"
    target: Literal["implicit", "explicit"] = Field(
        "implicit", description="explicit: predict the interest itself, from observed pairs only."
    )
    factors: int = Field(64, ge=1, description="Length of q and p.")
    iterations: int = Field(8, ge=1, description="Sweeps over users and videos.")
    unobserved_weight: float = Field(
        0.03, gt=0, description="α₀: weight of what was not watched; implicit targets only."
    )
    regularization: float = Field(
        0.003, gt=0, description="λ, scaled by how often a row occurs; tuned on MicroLens-50K."
    )
    decay: Decay = 0.8


@RECOMMENDERS.register("biased_mf")
class BiasedMf(Recommender):
    """Scores by μ + b_u + b_i + q_i·p_u with the user folded in from the history."""

    Config = BiasedMfConfig
    config: BiasedMfConfig
    _mean: float
    _videos: NDArray[np.float64]  # (n_videos, 1 + factors): b_i, q_i
    _columns: NDArray[np.float32]  # (n_videos, factors + 2): q_i, 1, b_i
    _folding: Ridge

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:  # noqa: ARG002 (fixed sweeps)
        n_videos, rng = len(self.catalogue), np.random.default_rng(self.seed)
        by_user = self._observed(histories, decay=1.0)
        by_video = by_user.transposed(n_videos)
        total = by_user.weights.sum() + self._unobserved_weight * len(histories) * n_videos
        self._mean = float((by_user.weights * by_user.targets).sum() / max(total, 1e-12))
        self._videos = rng.normal(0, 0.1 / np.sqrt(self.config.factors), (n_videos, self._width))
        self._videos[:, 0] = 0
        for sweep in range(self.config.iterations):
            users = self._against(self._videos).solve(by_user)
            before = self._videos
            self._videos = self._against(users).solve(by_video)
            report("change", float(np.abs(self._videos - before).mean()), sweep)
        self._prepare()
        logger.info("biased_mf: %d sweeps over %d events", sweep + 1, len(by_user.weights))

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        observed = self._observed(histories, decay=self.config.decay)
        users = self._folding.solve(observed)
        rows = np.hstack([users[:, 1:], users[:, :1] + self._mean, np.ones((len(users), 1))])
        return np.asarray(rows.astype(np.float32) @ self._columns.T)

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return cosines(self._videos[videos, 1:], self._videos[liked, 1:])

    def _observed(self, histories: Histories, *, decay: float) -> Observed:
        """Return what is fitted to; age 0, the newest video of a row, weighs fully."""
        recency = np.power(decay, histories.ages)
        interest = histories.weights.astype(np.float64)
        if self.config.target == "explicit":
            return Observed(histories.offsets, histories.videos, recency, interest)
        liked = (interest > 0).astype(np.float64)
        return Observed(histories.offsets, histories.videos, np.abs(interest) * recency, liked)

    @property
    def _unobserved_weight(self) -> float:
        return self.config.unobserved_weight if self.config.target == "implicit" else 0.0

    @property
    def _width(self) -> int:
        return 1 + self.config.factors

    def _against(self, others: NDArray[np.float64]) -> Ridge:
        """Set up the problem of one side, given (bias, factors) of the other."""
        features = others.copy()
        features[:, 0] = 1
        return Ridge(
            features,
            self._mean + others[:, 0],
            unobserved_weight=self._unobserved_weight,
            regularization=self.config.regularization,
        )

    def _prepare(self) -> None:
        """Make ready for scoring: folding in, and (q, 1, b) of each video in one matrix."""
        self._folding = self._against(self._videos)
        ones = np.ones((len(self._videos), 1))
        columns = np.hstack([self._videos[:, 1:], ones, self._videos[:, :1]])
        self._columns = columns.astype(np.float32)

    def _state(self) -> State:
        return {"mean": np.array([self._mean]), "videos": self._videos}

    def _restore(self, state: State) -> None:
        self._mean, self._videos = float(state["mean"][0]), state["videos"]
        self._prepare()
