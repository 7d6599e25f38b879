"""Scores of one request whose best are found by an index.

Of all that an answer may have, the index gives some times as many as are asked for; beside them
stand the few that the request names itself. These are scored in full, as everything is that is
asked for by position, so that what is in an answer has the score that it would have without an
index. Of videos that show the same only the best is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.models import top_k as ranked
from kinoloop.models.scores import Scores
from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.searching import Index

AT_A_TIME = 16_384
"""Videos scored at a time where all that are left are: what is gathered stays in the cache."""

MOST = 0.1
"""Share of the videos that are left beyond which more are not looked for, but all scored."""


class Groups(Protocol):
    """Which videos show the same; see `kinoloop.release.near_duplicates`."""

    @property
    def repeats(self) -> int:
        """How many videos show the same as one before them."""

    def different(self, videos: NDArray[np.integer]) -> int:
        """How many are left if those that show the same count as one."""

    def of(self, videos: NDArray[np.integer]) -> NDArray[np.intp]:
        """All videos that show what these show; themselves left out where they have none."""

    def best_of(
        self, videos: NDArray[np.integer], scores: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Whether each is the best, or the first of equals, of those that show the same."""


@dataclass(frozen=True)
class Asked:
    """What is looked for.

    Attributes:
        vector: (dim,) query, in the space of the index.
        named: (n,) positions that may be among the best whatever their vectors.
        at: Scores videos at some positions in full.
        every: Scores all videos.
        lowered: How many of those named may score less than their vectors say.
        least: The vector says only a part of the score, so that so many are looked for at least.
    """

    vector: NDArray[np.float32]
    named: NDArray[np.intp]
    at: Callable[[NDArray[np.integer]], NDArray[np.float32]]
    every: Callable[[], NDArray[np.float32]]
    lowered: int = 0
    least: int = 0


class Nearest(Scores):
    """Scores of which those are made that are asked for.

    Args:
        asked: What is looked for.
        index: Of the space.
        allowed: What may be found.
        holding: Lists that have any of it (`Index.holding`).
        groups: Which videos show the same.
    """

    def __init__(
        self,
        asked: Asked,
        index: Index,
        allowed: Allowed,
        *,
        holding: NDArray[np.bool_] | None,
        groups: Groups,
    ) -> None:
        self._asked, self._index, self._allowed = asked, index, allowed
        self._holding, self._groups = holding, groups
        self._best = np.empty(0, dtype=np.intp)
        self._no_more = False
        self._all: tuple[NDArray[np.intp], NDArray[np.float32]] | None = None

    def without(self, hidden: NDArray[np.integer]) -> "Nearest":
        """Return the same without some videos; whatever shows the same as one of them stays."""
        return Nearest(
            self._asked,
            self._index,
            self._allowed.without(hidden),
            holding=self._holding,
            groups=self._groups,
        )

    def best(self, top_k: int) -> NDArray[np.intp]:
        """Positions of the `top_k` highest, best first."""
        wanted = top_k
        while len(self._best) < top_k and not self._no_more:
            self._best, self._no_more = self._look_for(wanted)
            wanted *= 2  # some were left out, since they show the same as others
        return self._best[:top_k]

    def __getitem__(self, videos: NDArray[np.integer] | int) -> NDArray[np.float32]:
        """Scores at some positions; −inf where a video is hidden."""
        some = np.atleast_1d(np.asarray(videos, dtype=np.intp))
        scores = self._scores_of(some)
        grouped = self._groups.of(some)
        if len(grouped):
            beaten = grouped[~self._groups.best_of(grouped, self._scores_of(grouped))]
            scores[np.isin(some, beaten)] = -np.inf
        return scores if isinstance(videos, np.ndarray) else np.asarray(scores[0])

    def whole(self) -> NDArray[np.float32]:
        """All of them, (n_videos,) float32."""
        scores = self._asked.every()
        shown = np.unpackbits(self._allowed.bits, count=len(scores), bitorder="little")
        scores[shown == 0] = -np.inf
        scores[~self._groups.best_of(np.arange(len(scores)), scores)] = -np.inf
        return scores

    def more_than(self, n: int) -> bool:
        """Whether more than n videos are not hidden; those that show the same count as one."""
        count = self._allowed.count
        if count - self._groups.repeats > n:
            return True  # as nearly always: nothing is counted
        return count > n and self._groups.different(self._allowed.videos) > n

    def _scores_of(self, videos: NDArray[np.intp]) -> NDArray[np.float32]:
        scores = self._asked.at(videos)
        scores[~self._allowed.has(videos)] = -np.inf
        return scores

    def _look_for(self, count: int) -> tuple[NDArray[np.intp], bool]:
        """Return about so many of the best, best first, and whether there are no others."""
        some = None
        if self._all is None and count <= MOST * self._allowed.count:
            asked = self._asked
            some = self._index.look_for(
                asked.vector,
                count + asked.lowered,
                self._allowed,
                holding=self._holding,
                least=asked.least,
            )
        if some is None:
            videos, scores = self._all = self._all or self._everything()
            return videos[ranked.best(scores, count)], count >= len(videos)
        videos = np.union1d(some, self._asked.named)
        scores = self._scores_of(videos)
        scores[~self._groups.best_of(videos, scores)] = -np.inf
        return videos[ranked.best(scores, count)], False

    def _everything(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """All that are left, each once of those that show the same, with their scores."""
        if self._allowed.count > self._allowed.n_videos // 2:
            scores = self.whole()
            videos = np.flatnonzero(np.isfinite(scores))
            return videos, scores[videos]
        videos = self._allowed.videos
        starts = range(0, len(videos), AT_A_TIME)
        parts = [self._asked.at(videos[start : start + AT_A_TIME]) for start in starts]
        scores = np.concatenate([np.empty(0, np.float32), *parts])
        kept = self._groups.best_of(videos, scores)
        return videos[kept], scores[kept]
