"""Reading a release: recommend, similar, search, and the check that comes before service.

Everything that does not depend on the request is computed once, when the release is opened:
`recommend` is one call of the recommender, a mask and an exact partial sort. Large arrays stay
memory-mapped. A release is immutable and its methods may be called from several threads.
"""

import logging
import time
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.encoders import base as encoders
from kinoloop.errors import BundleError, ConfigError
from kinoloop.models import base as models
from kinoloop.ranking.ranker import Ranker
from kinoloop.release.files import open_array
from kinoloop.release.golden import (
    check_golden,
    history_from_json,
    history_to_json,
    write_golden,
)
from kinoloop.release.info import BundleInfo, check_files, read_info
from kinoloop.release.lexical import LexicalIndex
from kinoloop.release.ranking import best
from kinoloop.release.reranking import Reranking
from kinoloop.release.similarity import Similarity
from kinoloop.release.thumbnails import Thumbnails
from kinoloop.release.user_histories import UserHistories

logger = logging.getLogger(__name__)

SEMANTIC_SHARE = 0.6
"""Of the search score; the rest is lexical. Meaning leads, exact words break near-ties."""

GOLDEN_TOP_K = 10


class Recommendation(NamedTuple):
    """One place of a slate.

    Attributes:
        video_id: External id.
        score: Of the recommender, the similarity or the search; higher is better.
        title: What to show.
        reason: Why it is there, for people.
    """

    video_id: str
    score: float
    title: str
    reason: str


class Release:
    """One release, opened for use.

    Args:
        directory: The bundle.
        info: Of the bundle.
        catalogue: Of the bundle, vectors memory-mapped.
        recommender: Loaded with `catalogue`.
        ranker: Loaded with `catalogue`; None where the release has none.

    Attributes:
        reranking: Orders slates where there is a ranker and time.
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
        self._titles = _titles(catalogue)
        self._histories = UserHistories(directory / "histories")
        self._thumbnails = Thumbnails(directory / "thumbnails")
        self._lexical = LexicalIndex.open(directory / "lexical", len(catalogue))
        self._similarity = Similarity(catalogue.modalities, directory / "vectors", info.fusion)

    @classmethod
    def open(cls, directory: Path) -> "Release":
        """Open a bundle; call `check` before it serves.

        Raises:
            BundleError: A part is missing or does not fit the others.
        """
        info = read_info(directory)
        try:
            catalogue = _open_catalogue(directory, info)
            recommender = models.load(directory / "model", catalogue)
            folder = directory / "ranker"
            ranker = Ranker.load(folder, catalogue) if folder.exists() else None
            return cls(
                directory, info=info, catalogue=catalogue, recommender=recommender, ranker=ranker
            )
        except BundleError:
            raise
        except (OSError, ValueError, KeyError, pl.exceptions.PolarsError) as err:
            raise BundleError(f"{directory} can not be opened: {err}") from err

    def check(self) -> None:
        """Compare every file with its digest and ask the golden requests.

        Raises:
            BundleError: Something differs; the release must not serve.
        """
        check_files(self.directory, self.info)
        check_golden(self.directory / "golden.json", self._ask)

    def warm_up(self) -> None:
        """Load what loads lazily and touch every path once: the first user waits for none."""
        self.recommend([], top_k=1)
        self.search(self._titles[0] if self._titles else "warm up", top_k=1)

    def history_of(self, pseudonym: str) -> list[Interaction]:
        """What a user had done when the release was made, oldest first; empty where unknown."""
        return self._histories.of(pseudonym)

    def recommend(
        self,
        history: Sequence[Interaction],
        *,
        top_k: int,
        exclude: Collection[str] = (),
        include_seen: bool = False,
        moment: int | None = None,
    ) -> list[Recommendation]:
        """The best videos for a history.

        Where the release has a ranker it orders the best of them, if that fits into its latency
        budget.

        Args:
            history: Oldest first; unknown videos (index outside the catalogue) are passed over,
                of several interactions with one video the last counts.
            top_k: How many; fewer where fewer are left.
            exclude: External ids that must not appear.
            include_seen: Whether videos of the history may appear.
            moment: µs since the epoch, for answers that must not depend on the clock: they are
                re-ranked whatever it takes. None is now.

        Returns:
            Best first.
        """
        started = time.perf_counter()
        known = self._known(history)
        row = Histories.from_rows([known])
        scores = self.recommender.score(row)[0]
        hidden = [self.catalogue.ids.index(video_id) for video_id in exclude]
        if not include_seen:
            hidden += [event.video for event in known]
        scores[[video for video in hidden if video >= 0]] = -np.inf
        if self.reranking is None:
            top = best(scores, top_k)
            return self._slate(top, scores[top], self._reasons(row, top))
        top, ranked = self.reranking.best(
            row,
            scores,
            top_k,
            moment=time.time_ns() // 1000 if moment is None else moment,
            spent_ms=1e3 * (time.perf_counter() - started) if moment is None else float("nan"),
        )
        return self._slate(top, ranked, self._reasons(row, top))

    def similar(self, video_id: str, *, top_k: int) -> list[Recommendation]:
        """Videos like one video: by its vectors, or by its words where it has none.

        Raises:
            ConfigError: The release does not know the video.
        """
        video = self.catalogue.ids.index(video_id)
        if video < 0:
            raise ConfigError(f"video {video_id!r} is not in this release; check the id")
        if self._similarity.covers(video):
            scores = self._similarity.score(video)
        else:
            scores = self._lexical.score(self._titles[video])
        scores[video] = -np.inf
        top = best(scores, top_k)
        return self._slate(top, scores[top], [f"Similar to “{self._titles[video]}”"] * len(top))

    def search(self, query: str, *, top_k: int) -> list[Recommendation]:
        """Videos for a text: meaning (where the release has text vectors) and words.

        Videos that match in no way are left out. Where the encoder here is not the one that made
        the vectors, words alone are searched: the two would not mix.
        """
        return self._search(query, self._lexical.score(query), top_k)

    def thumbnail(self, video_id: str) -> bytes | None:
        """JPEG of a video; None where there is none."""
        video = self.catalogue.ids.index(video_id)
        return self._thumbnails.of(video) if video >= 0 else None

    def write_golden(self) -> None:
        """Answer the golden requests for the first time; `write_bundle` calls it."""
        ids = self.catalogue.ids
        rows = np.unique(np.linspace(0, len(self._histories) - 1, 5).astype(int))
        stored = [self._histories.row(int(row)) for row in rows] if len(self._histories) else []
        requests: list[dict[str, Any]] = [
            {"ask": "recommend", "history": history_to_json(history, ids)}
            for history in ([], *stored)
        ]
        for video in range(0, len(ids), max(1, len(ids) // 3)):
            requests.append({"ask": "similar", "video_id": ids.ids[video]})
            requests.append({"ask": "lexical", "query": self._titles[video]})
        write_golden(self.directory / "golden.json", requests, self._ask)

    def _ask(self, request: dict[str, Any]) -> list[tuple[str, float]]:
        if request["ask"] == "recommend":
            history = history_from_json(request["history"], self.catalogue.ids)
            slate = self.recommend(history, top_k=GOLDEN_TOP_K, moment=self._golden_moment)
        elif request["ask"] == "similar":
            slate = self.similar(request["video_id"], top_k=GOLDEN_TOP_K)
        else:
            scores = self._lexical.score(request["query"])
            top = best(scores, GOLDEN_TOP_K)
            slate = self._slate(top, scores[top], [""] * len(top))
        return [(place.video_id, place.score) for place in slate]

    @property
    def _golden_moment(self) -> int:
        """A moment that is the same wherever the release is opened."""
        return 0 if self.reranking is None else self.reranking.ranker.knowledge.counts.newest

    def _search(self, query: str, lexical: NDArray[np.float32], top_k: int) -> list[Recommendation]:
        scores, text = lexical, self.catalogue.modalities.get("text")
        if text is not None and self._text_encoder is not None:
            meaning = text.vectors @ self._text_encoder.encode_text([query])[0]
            scores = np.float32(SEMANTIC_SHARE) * meaning + np.float32(1 - SEMANTIC_SHARE) * lexical
        scores = np.where(scores > 0, scores, np.float32(-np.inf))
        top = best(scores, top_k)
        reasons = ["Matches your words" if lexical[v] > 0.1 else "Close in meaning" for v in top]
        return self._slate(top, scores[top], reasons)

    @cached_property
    def _text_encoder(self) -> encoders.TextEncoder | None:
        """The encoder of the text vectors, loaded on the first search; None without."""
        settings = self.info.encoders.get("text")
        if settings is None:
            return None
        expected = self.info.fingerprints.get("text")
        try:
            encoder = encoders.build(settings)
        except ConfigError as err:
            fault = str(err)
        else:
            if isinstance(encoder, encoders.TextEncoder) and encoder.fingerprint == expected:
                return encoder
            fault = f"the one here is {encoder.fingerprint}"
        logger.error(
            "%s: the text vectors were made by encoder %s with fingerprint %s: %s; search goes by "
            "words alone until you extract and retrain",
            *(self.directory.name, settings.get("kind"), expected, fault),
        )
        return None

    def _known(self, history: Sequence[Interaction]) -> list[Interaction]:
        newest_first: dict[int, Interaction] = {}
        for event in reversed(history):
            if 0 <= event.video < len(self.catalogue):
                newest_first.setdefault(event.video, event)
        return list(newest_first.values())[::-1]

    def _reasons(self, history: Histories, top: NDArray[np.intp]) -> list[str]:
        if not len(history.videos):
            return ["Popular right now"] * len(top)
        watched = self.recommender.because(history, top)
        return [
            "Recommended for you" if w is None else f"Because you watched “{self._titles[w]}”"
            for w in watched
        ]

    def _slate(
        self, top: NDArray[np.intp], scores: NDArray[np.float32], reasons: Sequence[str]
    ) -> list[Recommendation]:
        ids, titles = self.catalogue.ids.ids, self._titles
        return [
            Recommendation(ids[video], score, titles[video], reason)
            for video, score, reason in zip(top.tolist(), scores.tolist(), reasons, strict=True)
        ]


def _open_catalogue(directory: Path, info: BundleInfo) -> Catalogue:
    videos = pl.read_parquet(directory / "videos.parquet")
    vectors = directory / "vectors"
    modalities = {
        name: Modality(
            vectors=open_array(vectors / f"{name}.npy"),
            present=open_array(vectors / f"{name}.present.npy"),
            fingerprint=fingerprint,
        )
        for name, fingerprint in info.fingerprints.items()
    }
    published_at = open_array(directory / "published_at.npy")
    sizes = {
        len(videos),
        len(published_at),
        info.videos,
        *(len(m.vectors) for m in modalities.values()),
    }
    if len(sizes) > 1:
        raise BundleError(f"{directory}: parts disagree on the number of videos: {sorted(sizes)}")
    return Catalogue(IdMap(videos["video_id"]), published_at, videos, modalities)


def _titles(catalogue: Catalogue) -> list[str]:
    """Title of each video; the id where there is none."""
    if "title" not in catalogue.videos.columns:
        return list(catalogue.ids.ids)
    titles = catalogue.videos["title"]
    return [title or video_id for title, video_id in zip(titles, catalogue.ids.ids, strict=True)]
