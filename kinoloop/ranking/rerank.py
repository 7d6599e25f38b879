"""Re-ranking: the best of retrieval, put in the order of the ranker.

The order is (1 − blend) · ranker + blend · retrieval, both standardised over the candidates. The
blend is chosen on the validation window; where the ranker does not help it is 1, and the slate
stays as retrieval had it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.data.situations import NOWHERE, Situation
from kinoloop.evaluation.evaluate import Rankable
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.ranks import rank_targets
from kinoloop.evaluation.split import Holdout
from kinoloop.models.base import Recommender
from kinoloop.models.top_k import best_columns
from kinoloop.ranking.ranker import Ranker

BLENDS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Tried in this order; of equals the first stays, which trusts retrieval more."""


class Reranked:
    """A recommender and a ranker as one scorer, for evaluation: full rows of scores.

    Args:
        recommender: Finds candidates.
        ranker: Orders the best of them.
        moment: µs since the epoch: when the answers are given.
        situations: By pseudonym, in which situation; who is not there has said nothing.
    """

    def __init__(
        self,
        recommender: Rankable,
        ranker: Ranker,
        *,
        moment: int,
        situations: Mapping[str, Situation] | None = None,
    ) -> None:
        self.recommender, self.ranker, self.moment = recommender, ranker, moment
        self.situations = situations or {}

    @classmethod
    def on(cls, recommender: Rankable, ranker: Ranker, holdout: Holdout) -> "Reranked":
        """Answer a window as it is asked: at its beginning, each user in their situation."""
        moment = int(holdout.targets.timestamps.min()) if len(holdout.targets.videos) else 0
        return cls(recommender, ranker, moment=moment, situations=holdout.situations)

    @property
    def catalogue(self) -> Catalogue:
        """Of the recommender."""
        return self.recommender.catalogue

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Scores of all videos, (n_rows, n_videos); only the order inside the candidates changes.

        The candidates are the best that the row has not met. They share out the scores that
        retrieval gave them, so that they stay above all others.
        """
        scores = self.recommender.score(histories)
        hidden = scores.copy()
        hidden[histories.row_of, histories.videos] = -np.inf
        candidates = best_columns(hidden, self.ranker.config.candidates)
        retrieval = np.take_along_axis(hidden, candidates, axis=1)
        moments = np.full(len(histories), self.moment, dtype=np.int64)
        known = [self.situations.get(user, NOWHERE) for user in histories.user_ids]
        ranked = self.ranker.rank(
            histories, candidates, retrieval, moments=moments, situations=known or None
        )
        order = np.argsort(-ranked, axis=1, kind="stable")
        reordered = np.take_along_axis(candidates, order, axis=1)
        np.put_along_axis(scores, reordered, retrieval, axis=1)
        return scores


def choose_blend(
    ranker: Ranker, recommender: Recommender, holdout: Holdout, *, max_rows: int = 2000
) -> tuple[Ranker, dict[float, float]]:
    """Choose how much retrieval counts, by NDCG@10 of the re-ranked slates.

    Args:
        ranker: Fitted.
        recommender: That it will serve with.
        holdout: The validation window, with its situations where the ranker has learned some.
        max_rows: Rows looked at, evenly spaced.

    Returns:
        The ranker with its blend, and NDCG@10 by blend; nothing was tried where it orders by value
        and the settings say how much retrieval counts.
    """
    given = ranker.config.value.blend
    if ranker.by_value and given is not None:
        return ranker.with_blend(given), {}
    sample = holdout.rows(evenly_spaced(len(holdout), max_rows))
    found = {}
    for blend in BLENDS:
        scorer = Reranked.on(recommender, ranker.with_blend(blend), sample)
        ranks = rank_targets(scorer.score, sample.histories, sample.targets)
        found[blend] = float(ndcg(ranks, k=10).mean())
    return ranker.with_blend(max(found, key=lambda blend: found[blend])), found
