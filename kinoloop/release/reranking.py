"""Re-ranking inside one answer: within the latency budget, or not at all.

What re-ranking costs is measured at every request that does it. A request whose retrieval has used
up so much of the budget that re-ranking would not fit goes without: a plain slate in time is worth
more than a better one too late. After a while without, it is tried again.
"""

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.ranking.ranker import Ranker
from kinoloop.release.ranking import best

FORGET = 0.95  # what is left of the expected cost after each request that went without
SMOOTH = 0.8  # share of the old expectation after each one that did not


class Reranking:
    """Re-ranks slates of one release.

    Args:
        ranker: Loaded with the release's catalogue.

    Attributes:
        tell: Is told of each answer: `taken`, or `skipped` for want of time.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.ranker = ranker
        self.tell: Callable[[str], None] = _unheard
        self._expected_ms = 0.0

    def best(
        self,
        history: Histories,
        scores: NDArray[np.float32],
        top_k: int,
        *,
        moment: int,
        left_ms: float = math.inf,
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The best videos, and their scores in that order.

        Args:
            history: One row.
            scores: (n_videos,) of retrieval; −inf hides a video.
            top_k: How many at most.
            moment: µs since the epoch: when the answer is given.
            left_ms: How long re-ranking may take.

        Returns:
            Positions, best first, and their scores: those of the ranker's order where there was
            time for it, those of retrieval where not.
        """
        if self._expected_ms > left_ms:
            self.tell("skipped")
            self._expected_ms *= FORGET
            top = best(scores, top_k)
            return top, scores[top]
        started = time.perf_counter()
        found = best(scores, max(self.ranker.config.candidates, top_k))
        if not len(found):
            return found, scores[found]
        ranked = self.ranker.rank(
            history, found[None], scores[found][None], moments=np.array([moment])
        )[0]
        order = np.argsort(-ranked, kind="stable")[:top_k]
        took_ms = 1e3 * (time.perf_counter() - started)
        self.tell("taken")
        smoothed = SMOOTH * self._expected_ms + (1 - SMOOTH) * took_ms
        self._expected_ms = smoothed if self._expected_ms else took_ms
        return found[order], ranked[order].astype(np.float32)


def _unheard(outcome: str) -> None:
    """Nobody counts."""
