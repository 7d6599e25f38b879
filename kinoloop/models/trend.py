"""Trend: what everybody watches lately, added to what one history says.

score(j | history) = s_j / max_k s_k + w · prior_j, with s the scores of the recommender and `prior`
the time-decayed popularity, whose half-life is chosen on validation. Where neighbours say nothing
(sparse data, a history of rare videos) popularity answers, and where trends rule a large w lets
it. With w = 0 the prior only orders equals.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.models.base import PRIOR_SHARE, Recommender, RecommenderConfig, Validation
from kinoloop.models.choosing import choose
from kinoloop.models.config import NEVER_DAYS, Grids
from kinoloop.models.prior import popularity_prior
from kinoloop.models.vector_query import VectorQuery, VideoVectors

TREND_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class TrendConfig(RecommenderConfig):
    """How much recent popularity counts."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {"trend_weight"}
    grids: ClassVar[Grids] = {**RecommenderConfig.grids, "trend_weight": TREND_WEIGHTS}

    trend_weight: float = Field(
        0.0, ge=0, description="Of the popularity prior, where the best score of a row is 1."
    )


class Trending(Recommender):
    """A recommender whose scores can take in the trend."""

    config: TrendConfig

    def _choose_trend(self, validation: Validation | None) -> None:
        """Choose the weight; all of the grid is tried, for popularity alone stands at its end."""
        choose(self, "trend_weight", validation, look=len(TREND_WEIGHTS))

    def video_vectors(self) -> VideoVectors:
        """Return no vectors: what a history does not name has the trend, or what orders equals."""
        weight = np.float32(self.config.trend_weight)
        standing = weight * self.prior if weight else np.float32(PRIOR_SHARE) * self.proven.prior
        return VideoVectors(np.empty((len(standing), 0), dtype=np.float32), standing)

    def _query(self, videos: NDArray[np.intp], scores: NDArray[np.float32]) -> VectorQuery:
        """Return what `_with_trend` makes of the scores of some videos, all others being 0."""
        highest = float(scores.max(initial=0.0)) if self.config.trend_weight else 0.0
        more = scores / np.float32(highest) if highest > 0 else scores
        return VectorQuery(np.empty(0, dtype=np.float32), videos, more)

    def _with_trend(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the trend, in place, and return the scores."""
        weight = np.float32(self.config.trend_weight)
        if not weight:
            return self._break_ties(scores)
        highest = scores.max(axis=1, keepdims=True, initial=0.0)
        scores /= np.where(highest > 0, highest, np.float32(1))
        scores += weight * self.prior
        return scores


def moved_rise(
    rise: NDArray[np.float32], before: NDArray[np.float32], now: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what `rise_of` gives with another popularity lately; what it is in all stays."""
    return np.asarray(rise + np.log(_share(now) / _share(before)), dtype=np.float32)


def _share(popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each video, smoothed by that of one video of many."""
    total = max(float(popularity.sum()), 1e-12)
    one = np.float32(1 / max(1, len(popularity)))
    return np.asarray(popularity / np.float32(total) + one, dtype=np.float32)


def rise_of(histories: Histories, prior: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more a video is watched lately than in all, log of the ratio, (n_videos,) float32.

    What was learned from all events alike knows the whole; this turns it towards lately. Both
    shares are smoothed by that of one video of many: who is rare has no trend.
    """
    whole = popularity_prior(histories, len(prior), NEVER_DAYS)
    return np.asarray(np.log(_share(prior) / _share(whole)), dtype=np.float32)
