"""Popularity: what everybody watches lately. The floor that every candidate must beat."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
)
from kinoloop.models.vector_query import VectorQuery, VideoVectors


class PopularityConfig(RecommenderConfig):
    """The half life decides between evergreen and trending."""

    not_searched: ClassVar[frozenset[str]] = frozenset({"kind"})

    kind: Literal["popularity"] = "popularity"
    prior_half_life_days: float = Field(
        7.0, gt=0, description="Age at which an event counts half, days."
    )


@RECOMMENDERS.register("popularity")
class Popularity(Recommender):
    """Scores each video by its time-decayed interest, the same for every history."""

    Config = PopularityConfig
    reads_history = False

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        """Learn nothing more: the prior of the base class is the model."""

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return np.tile(self.prior, (len(histories), 1))

    def video_vectors(self) -> VideoVectors:
        """Return no vectors: the prior is all."""
        return VideoVectors(np.empty((len(self.prior), 0), dtype=np.float32), self.prior)

    def vector_query(self, history: Histories) -> VectorQuery:  # noqa: ARG002 (none is read)
        """Ask for what is popular."""
        return VectorQuery.alone(np.empty(0, dtype=np.float32))

    def _state(self) -> State:
        return {}

    def _restore(self, state: State) -> None:
        pass
