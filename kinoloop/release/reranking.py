"""Re-ranking inside one answer: always, or within a latency budget where one is set.

What re-ranking costs is measured at every request that does it. Under a budget, a request whose
retrieval has used up so much of it that re-ranking would not fit goes without, and says so: the
answer, the metrics and the log show what was left out. After a while without, it is tried again.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.scores import Scored
from kinoloop.models.top_k import best
from kinoloop.ranking.ranker import Ranker
from kinoloop.release.availability import now
from kinoloop.release.given import Given

logger = logging.getLogger(__name__)

FORGET = 0.95  # what is left of the expected cost after each request that went without
SMOOTH = 0.8  # share of the old expectation after each one that did not
LOG_EVERY_S = 60.0  # a line per skipped slate would be a flood on the machine that is busy already


@dataclass(frozen=True)
class Best:
    """The best videos of an answer.

    Attributes:
        videos: (≤ top_k,) positions, best first.
        scores: Of them, float32: the ranker's, or those of retrieval where there was no time.
        reranked: Whether the ranker ordered them; None where there is none.
        more: Whether there is surely another one that could stand in the slate.
    """

    videos: NDArray[np.intp]
    scores: NDArray[np.float32]
    reranked: bool | None = None
    more: bool = False


class Reranking:
    """Re-ranks slates of one release.

    Args:
        ranker: Loaded with the release's catalogue.

    Attributes:
        observe: Called with the outcome of each answer: `taken`, or `skipped` for lack of time.
    """

    def __init__(self, ranker: Ranker) -> None:
        self.ranker = ranker
        self.observe: Callable[[str], None] = _unobserved
        self._counting = threading.Lock()  # what follows changes from answer to answer
        self._expected_ms = 0.0
        self._unlogged = 0
        self._logged_at = -math.inf

    def best(
        self,
        history: Histories,
        scores: Scored,
        top_k: int,
        *,
        given: Given,
        left_ms: float = math.inf,
        whole: bool = False,
    ) -> Best:
        """Return the best videos, ordered by the ranker where there is time for it.

        Args:
            history: One row.
            scores: (n_videos,) of retrieval; −inf hides a video.
            top_k: How many at most.
            given: When the answer is given, and in which situation.
            left_ms: How long re-ranking may take.
            whole: Return all that it looks at, and not the best `top_k` alone.
        """
        looked_at = max(self.ranker.config.candidates, top_k)
        if self._expected_ms > left_ms:
            self._skip()
            top = best(scores, looked_at if whole else top_k)
            return Best(top, scores[top], reranked=False)
        started = time.perf_counter()
        found = best(scores, looked_at)
        if not len(found):
            return Best(found, scores[found], reranked=True)
        ranked = self.ranker.rank(
            history,
            found[None],
            scores[found][None],
            moments=np.array([now(given.moment)]),
            situations=[given.situation],
        )[0]
        order = np.argsort(-ranked, kind="stable")[: None if whole else top_k]
        took_ms = 1e3 * (time.perf_counter() - started)
        self.observe("taken")
        with self._counting:
            smoothed = SMOOTH * self._expected_ms + (1 - SMOOTH) * took_ms
            self._expected_ms = smoothed if self._expected_ms else took_ms
        return Best(found[order], ranked[order].astype(np.float32), reranked=True)

    def _skip(self) -> None:
        self.observe("skipped")
        with self._counting:
            self._count_skipped()

    def _count_skipped(self) -> None:
        self._unlogged += 1
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            logger.warning(
                "%d slates since the last such line were not re-ranked: %.1f ms did not fit into "
                "what was left of the budget; raise [serving] budget_ms or set it to 0",
                self._unlogged,
                self._expected_ms,
            )
            self._unlogged, self._logged_at = 0, time.monotonic()
        self._expected_ms *= FORGET


def _unobserved(outcome: str) -> None:
    """Nobody counts."""
