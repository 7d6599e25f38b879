"""Finding what an answer is made of: by scoring every video, or by an index where there is one.

Both ways give the same answers, up to the recall that the index was measured with. Golden requests
score every video, so that they prove the parts that are the same in both.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import Recommender
from kinoloop.models.scores import Scored
from kinoloop.models.vector_query import VectorQuery
from kinoloop.policy.filters import VideoFilters
from kinoloop.release.availability import now
from kinoloop.release.given import Given
from kinoloop.release.indexes import RECOMMEND, SEARCH, SIMILAR, Indexes
from kinoloop.release.open_videos import Opening
from kinoloop.release.ruled import outside, ruled_out
from kinoloop.release.search import Search
from kinoloop.release.shown import Shown
from kinoloop.release.similarity import Similarity
from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.nearest import Asked, Nearest
from kinoloop.retrieval.searching import Index, Ordered
from kinoloop.retrieval.space import with_standing

NONE = np.empty(0, dtype=np.intp)
POPULAR = "popular"


class Answering(NamedTuple):
    """What was found for a text.

    Attributes:
        scores: By everything.
        words: Gives the scores of some videos by words alone.
        asked: (dim,) float32, vector of the text; None where it is not understood.
    """

    scores: Scored
    words: Callable[[NDArray[np.integer]], NDArray[np.float32]]
    asked: NDArray[np.float32] | None


class Finding:
    """Gives the scores of answers, with what must not be in them hidden.

    Args:
        catalogue: Of the release.
        similarity: Of the release.
        search: Of the release.
        filters: Which videos have which values.
        shown: What may be in an answer.
        indexes: Of the release.

    Attributes:
        similarity: Of the release.
        search: Of the release.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        similarity: Similarity,
        search: Search,
        filters: VideoFilters,
        *,
        shown: Shown,
        indexes: Indexes,
    ) -> None:
        self.similarity, self.search = similarity, search
        self._shown, self._filters, self._indexes = shown, filters, indexes
        self._opening = Opening(shown.availability, filters, len(catalogue))
        self._popular: Ordered | None = None
        self._every = Allowed.of(np.ones(len(catalogue), dtype=np.bool_))

    def for_history(
        self,
        recommender: Recommender,
        row: Histories,
        hidden: NDArray[np.integer],
        closed: NDArray[np.integer],
        *,
        top_k: int,
        given: Given,
    ) -> Scored:
        """Score videos for one row.

        Args:
            recommender: Of the release, or the one that it was proven with.
            row: The history.
            hidden: Positions that must not appear, nor what shows the same.
            closed: Positions that may not be shown to anybody now.
            top_k: How many videos are asked for.
            given: Of the request.
        """
        asked = None if given.exact else self._asked(recommender, row)
        if asked is None:
            scores: NDArray[np.float32] = recommender.score(row)[0]
            left_out = outside(self._filters, closed, given)
            left_out = ruled_out(given, row, scores, (closed, left_out), top_k=top_k)
            self._shown.hide(scores, hidden, left_out)
            return scores
        name, index, wanted = asked
        name, index, wanted = asked
        every = self._of_all(index, wanted)
        ruled = ruled_out(given, row, every, (closed, NONE), top_k=top_k)
        same = self._shown.groups.of(hidden)
        found = self._nearest(name, index, wanted, given=given)
        return found.without(np.concatenate([hidden, same, ruled]).astype(np.intp))

    def like(self, video: int, title: str, given: Given) -> tuple[Scored, bool]:
        """Score videos by how like one they are, or by words of its title where it has no content.

        Args:
            video: Position.
            title: Its words.
            given: Of the request.

        Returns:
            The scores, and whether they are of words.
        """
        index = None if given.exact else self._indexes.get(SIMILAR)
        if index is None or not self.similarity.covers(video):
            return self.alike(video, title, self._closed(given))
        found = self._nearest(SIMILAR, index, self.similarity.asked(video), given=given)
        same = self._shown.groups.of(np.array([video]))
        return found.without(np.append(same, video)), False

    def alike(
        self, video: int, title: str, closed: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], bool]:
        """Score every video as `like` does, none of those that are `closed`."""
        seen = self.similarity.covers(video)
        scores = self.similarity.score(video) if seen else self.search.by_words(title)
        self._shown.hide(scores, np.array([video]), closed)
        return scores, not seen

    def for_words(self, query: str, given: Given) -> "Answering":
        """Score videos for a text; what matches in no way is hidden."""
        index = None if given.exact else self._indexes.get(SEARCH)
        if index is not None and self.search.by_meaning:
            wanted, vector = self.search.asked(query)
            scores = self._nearest(SEARCH, index, wanted, given=given)
            return Answering(scores, partial(self.search.by_words_at, query), vector)
        found = self.search.score(query)
        every = np.where(found.scores > 0, found.scores, np.float32(-np.inf))
        self._shown.hide(every, NONE, self._closed(given))
        return Answering(every, found.lexical.__getitem__, found.asked)

    def _closed(self, given: Given) -> NDArray[np.integer]:
        """Positions that must not be in an answer: closed at the moment, or filtered out."""
        closed = self._shown.availability.closed(now(given.moment))
        return outside(self._filters, closed, given)

    def _asked(self, recommender: Recommender, row: Histories) -> tuple[str, Index, Asked] | None:
        """Return what a history looks for, and where; None where every video must be scored."""
        compared, index = self._indexes.compared, self._indexes.get(RECOMMEND)
        if compared is None or index is None:
            return None
        if not len(row.videos):
            prior = recommender.prior
            popular = Asked(prior[:0], NONE, prior.__getitem__, prior.copy)
            return POPULAR, self._by_popularity(prior), popular
        query = recommender.vector_query(row)
        if query is None:
            return None

        def at(videos: NDArray[np.integer]) -> NDArray[np.float32]:
            assert query is not None
            return query.scores(compared, videos)

        return (
            RECOMMEND,
            index,
            Asked(
                with_standing(query),
                query.videos,
                at,
                lambda: recommender.score(row)[0],
                lowered=_lowered(query),
            ),
        )

    def _by_popularity(self, prior: NDArray[np.float32]) -> Ordered:
        if self._popular is None:
            self._popular = Ordered.by(prior)  # two threads order the same
        return self._popular

    def _nearest(self, name: str, index: Index, asked: Asked, *, given: Given) -> Nearest:
        opened = self._opening.at(now(given.moment), given)
        holding = opened.holding(name, index)
        return Nearest(asked, index, opened.allowed, holding=holding, groups=self._shown.groups)

    def _of_all(self, index: Index, asked: Asked) -> Nearest:
        """Scores with nothing hidden but what shows the same as a better one."""
        return Nearest(asked, index, self._every, holding=None, groups=self._shown.groups)


def _lowered(query: VectorQuery) -> int:
    return int(np.count_nonzero(query.more < 0))
