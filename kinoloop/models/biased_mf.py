"""Biased matrix factorisation for implicit and explicit targets, by any of three solvers.

r̂(u, i) = μ + b_u + b_i + q_i·p_u. With implicit targets it is fitted to 1 where a user showed
interest (weight c), to 0 where the user disliked (weight |c|), and, lightly, to 0 everywhere else
(weight α₀); with explicit targets to the interest itself (ratings above all), where there is one.
The objective stands in `factorization.py`; alternating least squares, stochastic descent and L-BFGS
(`descent.py`) make the same one small and rank alike once they have converged. ALS is the default:
a few sweeps are enough, and none of its settings has to fit the data.

At score time the user is folded in from the history by solving for (b_u, p_u) against the videos,
whichever solver found these, so there is no user table and a new user is served like an old one.

The solvers are our own: the `implicit` library's has no biases and no weight for what was not
observed. On MicroLens-50K its ALS and ours reach the same quality at like cost
(docs/results/candidates.md).

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
from kinoloop.models.descent import alternate, quasi_newton, stochastic
from kinoloop.models.factorization import Factors, Objective, one_side
from kinoloop.models.least_squares import Observed, Ridge
from kinoloop.models.vector_query import VectorQuery, VideoVectors

logger = logging.getLogger(__name__)


class BiasedMfConfig(RecommenderConfig):
    """Size, regularisation and the weight of what was not observed."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {
        "solver",
        "passes",
        "learning_rate",
    }
    only_with: ClassVar[Tied] = {"unobserved_weight": ("target", ("implicit",))}

    kind: Literal["biased_mf"] = "biased_mf"
    target: Literal["implicit", "explicit"] = Field(
        "implicit", description="explicit: predict the interest itself, from observed pairs only."
    )
    solver: Literal["als", "sgd", "lbfgs"] = Field(
        "als", description="What makes the objective small; with passes enough, all three the same."
    )
    factors: int = Field(64, ge=1, description="Length of q and p.")
    iterations: int = Field(8, ge=1, description="Sweeps of als over users and videos.")
    passes: int = Field(100, ge=1, description="Of sgd over all users; of lbfgs at most.")
    learning_rate: float = Field(
        0.5, gt=0, description="First step of sgd; for a row of n observations 1/√n of it."
    )
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
        config, n_videos = self.config, len(self.catalogue)
        objective = Objective(
            self._observed(histories, decay=1.0),
            n_videos,
            unobserved_weight=self._unobserved_weight,
            regularization=config.regularization,
        )
        rng, spread = np.random.default_rng(self.seed), 0.1 / np.sqrt(config.factors)
        videos, users = (
            rng.normal(0, spread, (n, 1 + config.factors)) for n in (n_videos, len(histories))
        )
        videos[:, 0] = users[:, 0] = 0
        start = Factors(users, videos)
        if config.solver == "als":
            found = alternate(objective, start, sweeps=config.iterations, report=report)
        elif config.solver == "lbfgs":
            found = quasi_newton(objective, start, passes=config.passes, report=report)
        else:
            found = stochastic(
                objective,
                start,
                passes=config.passes,
                rate=config.learning_rate,
                rng=rng,
                report=report,
            )
        self._mean, self._videos = objective.mean, found.videos
        self._prepare()
        logger.info("biased_mf by %s: %d events", config.solver, len(histories.videos))

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return np.asarray(self._rows(histories) @ self._columns.T)

    def _rows(self, histories: Histories) -> NDArray[np.float32]:
        """(p_u, μ + b_u, 1) of each row, (n_rows, factors + 2)."""
        users = self._folding.solve(self._observed(histories, decay=self.config.decay))
        rows = np.hstack([users[:, 1:], users[:, :1] + self._mean, np.ones((len(users), 1))])
        return rows.astype(np.float32)

    def video_vectors(self) -> VideoVectors:
        """Return (q_i, 1), and b_i."""
        return VideoVectors(self._columns[:, :-1], self._columns[:, -1])

    def vector_query(self, history: Histories) -> VectorQuery:
        """Return (p_u, μ + b_u)."""
        return VectorQuery.alone(self._rows(history)[0, :-1])

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

    def _prepare(self) -> None:
        """Make ready for scoring: folding in, and (q, 1, b) of each video in one matrix."""
        self._folding = one_side(
            self._videos,
            self._mean,
            unobserved_weight=self._unobserved_weight,
            regularization=self.config.regularization,
        )
        ones = np.ones((len(self._videos), 1))
        columns = np.hstack([self._videos[:, 1:], ones, self._videos[:, :1]])
        self._columns = columns.astype(np.float32)

    def _state(self) -> State:
        return {"mean": np.array([self._mean]), "videos": self._videos}

    def _restore(self, state: State) -> None:
        self._mean, self._videos = float(state["mean"][0]), state["videos"]
        self._prepare()
