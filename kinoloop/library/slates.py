"""Slates of many rows at once, by the parts that a release answers one request with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.situations import NOWHERE, Situation
from kinoloop.models.base import Recommender
from kinoloop.models.top_k import best
from kinoloop.release.availability import now
from kinoloop.release.given import Given
from kinoloop.release.shown import Shown

if TYPE_CHECKING:
    from kinoloop.release.reranking import Reranking

SCORES_AT_A_TIME = 8_000_000  # 32 MB of float32

Top = tuple[NDArray[np.integer], NDArray[np.float32]]


class Slates:
    """Makes slates: nothing that lies ahead, of videos that show the same only the best.

    Args:
        recommender: Fitted, or loaded.
        reranking: What orders the best; None for the order of the scores.
    """

    def __init__(self, recommender: Recommender, reranking: "Reranking | None") -> None:
        self._recommender, self._reranking = recommender, reranking
        catalogue: Catalogue = recommender.catalogue
        self._shown = Shown(catalogue)

    def of(
        self,
        histories: Histories,
        hidden: Sequence[NDArray[np.integer]],
        allowed: NDArray[np.bool_],
        *,
        k: int,
        situation: Situation = NOWHERE,
    ) -> list[Top]:
        """Return the best videos of each row, best first, with their scores.

        Args:
            histories: What was done.
            hidden: Per row the videos that must not appear, nor what shows the same.
            allowed: (n_videos,) which videos may appear at all.
            k: How many at most.
            situation: In which all of them are shown.
        """
        moment = now()
        asked = Given(moment, situation)
        closed = self._shown.availability.closed(moment)
        found: list[Top] = []
        step = max(1, SCORES_AT_A_TIME // max(1, len(allowed)))
        for start in range(0, len(histories), step):
            part = histories.rows(slice(start, start + step))
            scores = self._recommender.score(part)
            scores[:, ~allowed] = -np.inf
            for row, given in enumerate(scores):
                met = hidden[start + row]
                self._shown.hide(given, met, closed)
                found.append(self._top(part, row, given, k=k, asked=asked))
        return found

    def similar(self, video: int, allowed: NDArray[np.bool_], *, k: int) -> Top:
        """Return the videos that one speaks most for; none where it speaks for none."""
        scores = self._recommender.similar(video)
        scores[~(allowed & (scores > 0))] = -np.inf
        self._shown.hide(scores, np.array([video]), self._shown.availability.closed(now()))
        top = best(scores, k)
        return top, scores[top]

    def _top(
        self, part: Histories, row: int, scores: NDArray[np.float32], *, k: int, asked: Given
    ) -> Top:
        if self._reranking is None:
            top = best(scores, k)
            return top, scores[top]
        one = part.rows(slice(row, row + 1))
        found = self._reranking.best(one, scores, k, given=asked)
        return found.videos, found.scores
