"""What a recommender is told of a validation window: enough to stop early and to choose."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories


class Scorer(Protocol):
    """Scores every video for every row."""

    def __call__(self, histories: Histories) -> NDArray[np.float32]:
        """Scores, (n_rows, n_videos) float32."""


class Validation(Protocol):
    """Histories with the next videos that were held out (`kinoloop.evaluation.split.Holdout`)."""

    @property
    def histories(self) -> Histories:
        """What was known."""

    @property
    def targets(self) -> Histories:
        """What came next, row by row."""

    def ndcg(self, score: Scorer, *, k: int = 10, max_rows: int = 5000) -> float:
        """NDCG@k of a scorer on the first `max_rows` rows, full ranking, seen videos excluded."""

    def ndcgs(self, score: Scorer, *, k: int = 10, max_rows: int = 5000) -> NDArray[np.float64]:
        """Return the same row by row, of at most `max_rows` rows."""
