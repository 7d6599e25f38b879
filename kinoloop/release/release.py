"""Reading a release: recommend, similar, search, and the check that comes before service.

Whatever does not depend on the request is computed once; large arrays stay memory-mapped. It may be
asked from several threads at once; what is loaded on first use is seen whole or not.
"""

import time
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.written import Wrote
from kinoloop.errors import ConfigError
from kinoloop.models import base as models
from kinoloop.models.scores import Scored
from kinoloop.models.top_k import best
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.policy import Policies
from kinoloop.ranking.ranker import Ranker
from kinoloop.release.asking import ask
from kinoloop.release.availability import Availability, now
from kinoloop.release.catalogue import Titles, open_catalogue
from kinoloop.release.finding import Finding
from kinoloop.release.given import NOW, Given
from kinoloop.release.golden import check_golden, golden_requests
from kinoloop.release.indexes import Indexes
from kinoloop.release.info import BundleInfo, check_files, no_other_error, verify
from kinoloop.release.moments import Moment, Moments
from kinoloop.release.popularity import served
from kinoloop.release.reasons import Reasons, why_alike, why_found
from kinoloop.release.reranking import Reranking
from kinoloop.release.ruled import best_of
from kinoloop.release.search import Search
from kinoloop.release.shown import Shown
from kinoloop.release.signature import Trust
from kinoloop.release.similarity import Similarity
from kinoloop.release.slate import Recommendation, Slate
from kinoloop.release.texts import Texts
from kinoloop.release.thumbnails import Thumbnails
from kinoloop.release.user_histories import UserHistories, each_once


class Release:
    """One release, opened for use.

    Args:
        directory: The bundle.
        info: Of the bundle.
        catalogue: Of the bundle.
        recommender: Loaded with `catalogue`.
        ranker: Loaded with `catalogue`; None where the release has none.

    Attributes:
        reranking: Orders slates; None without a ranker.
        histories: Stored ones.
        indexes: What finds the best without scoring all; it may be none.
        finding: What gives the scores of answers.
        moments: What videos show, read and say when.
        texts: What users searched and commented.
        filters: Which videos have which values.
        policies: Rules of slates, compiled with the catalogue.
    """

    def __init__(
        self,
        directory: Path,
        *,
        info: BundleInfo,
        catalogue: Catalogue,
        recommender: models.Recommender,
        ranker: Ranker | None = None,
    ) -> None:
        self.directory, self.info = directory, info
        self.catalogue, self.recommender = catalogue, recommender
        self.reranking = None if ranker is None else Reranking(ranker)
        self._titles = Titles(catalogue)
        self.histories = UserHistories(directory / "histories")
        self._thumbnails = Thumbnails(directory / "thumbnails")
        self.moments = Moments(directory / "moments", len(catalogue))
        self._search = Search(directory, info, catalogue, self.moments)
        self._similarity = Similarity(catalogue.modalities, directory / "vectors", info.fusion)
        self._shown = Shown(catalogue)
        self.indexes = Indexes(directory, info, recommender)
        self._why = Reasons(self._titles, catalogue.videos)
        self.texts = Texts(self.histories, search=self._search, ranker=ranker)
        self.filters = VideoFilters(catalogue.videos)
        self.policies = Policies(catalogue, self.filters, info.fusion)
        parts = (catalogue, self._similarity, self._search, self.filters)
        self.finding = Finding(*parts, shown=self._shown, indexes=self.indexes)

    @property
    def availability(self) -> Availability:
        """When each video may be shown."""
        return self._shown.availability

    @classmethod
    def open(cls, directory: Path, trust: Trust | None = None) -> "Release":
        """Open a bundle whose every byte was hashed first; call `ask_golden` before it serves.

        Args:
            directory: The bundle.
            trust: Whose signature counts; None compares digests alone.

        Raises:
            BundleError: It is not what was signed, or a part does not fit the others.
        """
        return cls.read(directory, verify(directory, trust))

    @classmethod
    def read(cls, directory: Path, info: BundleInfo) -> "Release":
        """Open what was verified already, or was written a moment ago.

        Raises:
            BundleError: A part is missing or does not fit the others.
        """
        with no_other_error(directory):
            catalogue = open_catalogue(directory, info)
            recommender = served(models.load(directory / "model", catalogue), directory)
            folder = directory / "ranker"
            ranker = Ranker.load(folder, catalogue) if folder.exists() else None
            return cls(
                directory, info=info, catalogue=catalogue, recommender=recommender, ranker=ranker
            )

    def check(self) -> None:
        """Compare every file with its digest and ask the golden requests.

        Raises:
            BundleError: Something differs; the release must not serve.
        """
        check_files(self.directory, self.info)
        self.ask_golden()

    def ask_golden(self) -> None:
        """Ask the golden requests.

        Raises:
            BundleError: An answer differs; the release must not serve.
        """
        check_golden(self.directory / "golden.json", partial(ask, self))

    def warm_up(self) -> None:
        """Load what loads lazily and touch every path once: the first user waits for none."""
        self.recommend([], top_k=1)
        self.search(self._titles[0] if self._titles else "warm up", top_k=1)

    def history_of(self, pseudonym: str) -> list[Interaction]:
        """Return what a user had done when the release was made, oldest first; empty if unknown."""
        return self.histories.of(pseudonym)

    def seen_by(self, pseudonym: str) -> NDArray[np.int32]:
        """Every video that a user had met when the release was made, (n,) int32."""
        return self.histories.seen_by(pseudonym)

    def recommend(
        self,
        history: Sequence[Interaction],
        *,
        top_k: int,
        exclude: Collection[str] = (),
        seen: Collection[int] | NDArray[np.integer] | None = None,
        given: Given = NOW,
        budget_ms: float = np.inf,
        written: Sequence[Wrote] = (),
    ) -> Slate:
        """Recommend videos for a history; where the release has a ranker, it orders the best.

        Args:
            history: Oldest first; unknown videos (index outside the catalogue) are passed over,
                of several interactions with one video the last counts.
            top_k: How many; fewer where fewer are left.
            exclude: External ids that must not appear, nor what shows the same.
            seen: Indices of videos that must not appear again, nor what shows the same; None: those
                of the history, which may be no more than its newest part.
            given: When the answer is given, in which situation, and of which videos.
            budget_ms: How long the slate may take; without the time for it, it is not re-ranked,
                and says so.
            written: What the user searched and commented, oldest first.

        Returns:
            Best first; never two videos that show the same.
        """
        started = time.perf_counter()
        known = self.known(history)
        hidden = [event.video for event in known] if seen is None else seen
        excluded = [i for i in map(self.catalogue.ids.index, exclude) if i >= 0]
        at = now(given.moment)
        return self.slate_of(
            self.texts.row(known, written),
            np.concatenate([excluded, hidden]).astype(np.intp),
            self.availability.closed(at),
            top_k=top_k,
            given=given._replace(moment=at),
            deadline=started + budget_ms / 1e3,
        )

    def similar(self, video_id: str, *, top_k: int, given: Given = NOW) -> Slate:
        """Videos like one video, but not the same: by its vectors, or by its words without them.

        Raises:
            ConfigError: The release does not know the video.
        """
        video = self.catalogue.ids.index(video_id)
        if video < 0:
            raise ConfigError(f"video {video_id!r} is not in this release; check the id")
        return self._alike(video, self.finding.like(video, self._titles[video], given), top_k)

    def like(self, video: int, closed: NDArray[np.integer], *, top_k: int) -> Slate:
        """Videos like the one at a position, none of those that are `closed`."""
        return self._alike(video, self.finding.alike(video, self._titles[video], closed), top_k)

    def _alike(self, video: int, found: tuple[Scored, bool], top_k: int) -> Slate:
        scores, by_words = found
        top, why = best(scores, top_k), why_alike(self._titles[video], by_words=by_words)
        return self._slate(top, scores[top], [why] * len(top))

    def search(self, query: str, *, top_k: int, given: Given = NOW) -> Slate:
        """Videos for a text: meaning (where the release has text vectors), words and labels.

        What matches in no way is left out, and of those that show the same all but one; where a
        moment answers, its place says when. Without the encoder of the vectors, words are searched.
        """
        found = self.finding.for_words(query, given)
        top = best(found.scores, top_k)
        when = [self.moments.nearest(video, found.asked) for video in top.tolist()]
        reasons = why_found(query, found.words(top), when)
        return Slate(self._slate(top, found.scores[top], reasons, when=when), asked=found.asked)

    def shows(self, video_id: str, *, moment: int | None = None) -> bool:
        """Whether the release knows a video that may be shown."""
        video = self.catalogue.ids.index(video_id)
        return video >= 0 and self.availability.is_open(video, now(moment))

    def thumbnail(self, video_id: str) -> bytes | None:
        """JPEG of a video; None where there is none."""
        video = self.catalogue.ids.index(video_id)
        return self._thumbnails.of(video) if video >= 0 else None

    def by_words(self, query: str, closed: NDArray[np.integer], *, top_k: int) -> Slate:
        """Videos that share words with a text, none of those that are `closed`."""
        scores = self._search.by_words(query)
        scores[closed] = -np.inf
        top = best(scores, top_k)
        return self._slate(top, scores[top], [""] * len(top))

    def golden_requests(self) -> list[dict[str, Any]]:
        """List what to ask this release so that a change would show."""
        return golden_requests(self.histories, self.catalogue.ids, self._titles)

    def slate_of(
        self,
        row: Histories,
        hidden: NDArray[np.integer],
        closed: NDArray[np.integer],
        *,
        top_k: int,
        given: Given,
        deadline: float = np.inf,
    ) -> Slate:
        """Recommend as `recommend` does, with the mask that `Shown.hide` takes, at a moment."""
        scores = self.finding.for_history(
            self.recommender, row, hidden, closed, top_k=top_k, given=given
        )
        found = best_of(self.reranking, row, scores, top_k, given=given, deadline=deadline)
        reasons = self._reasons(row, found.videos, closed)
        slate = self._slate(found.videos, found.scores, reasons, reranked=found.reranked)
        slate.more = found.more
        return slate

    def known(self, history: Sequence[Interaction]) -> list[Interaction]:
        """Of a history what the catalogue knows, each video once, as it came last."""
        return each_once(history, len(self.catalogue))

    def _reasons(
        self, history: Histories, top: NDArray[np.intp], closed: NDArray[np.integer]
    ) -> list[str]:
        if not len(history.videos):
            return ["Popular right now"] * len(top)
        return self._why.of(self.recommender.explain(history, top), top.tolist(), unnamed=closed)

    def _slate(
        self,
        top: NDArray[np.intp],
        scores: NDArray[np.float32],
        reasons: Sequence[str],
        *,
        reranked: bool | None = None,
        when: Sequence[Moment | None] = (),
    ) -> Slate:
        ids = self.catalogue.ids.externals(top.tolist())
        titles = [self._titles[video] for video in top.tolist()]
        times = [(m.start_s, m.end_s) if m else () for m in when or [None] * len(ids)]
        places = zip(ids, scores.tolist(), titles, reasons, times, strict=True)
        return Slate((Recommendation(*p[:4], *p[4]) for p in places), reranked=reranked)
