"""Search: how well each video answers a text, by its meaning, its words and its labels.

What a video means to a query is the nearest of three: its text, a thing that it shows, and one of
its moments. So a video of an hour is found by its one minute, and one without moments loses
nothing. The rule has no weight; it was chosen among twenty (`docs/explanation/content.md`) on
queries for other clips than those that report it.
"""

import json
import logging
import threading
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.video_text import COMPOSITION
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import composition_of
from kinoloop.errors import ConfigError
from kinoloop.models.top_k import best
from kinoloop.release.info import BundleInfo, SearchWeights
from kinoloop.release.label_search import LabelSearch
from kinoloop.release.lexical import LexicalIndex
from kinoloop.release.moments import Moments
from kinoloop.retrieval.nearest import Asked
from kinoloop.retrieval.space import Space

logger = logging.getLogger(__name__)

NAMED = 1000
"""Videos that words, labels and moments each bring to a search that does not score all."""

NONE = np.empty(0, dtype=np.intp)


class Parts(NamedTuple):
    """How well each video answers a text, by part: (n_videos,) float32 each.

    Attributes:
        meaning: Cosine with its text, with what it shows, or with its nearest moment.
        lexical: By words.
        labels: By its labels.
        asked: (dim,) float32, vector of the query.
    """

    meaning: NDArray[np.float32]
    lexical: NDArray[np.float32]
    labels: NDArray[np.float32]
    asked: NDArray[np.float32] | None = None

    def mixed(self, weights: SearchWeights) -> NDArray[np.float32]:
        """One score of all."""
        semantic = np.float32(weights.semantic)
        scores = semantic * self.meaning + (np.float32(1) - semantic) * self.lexical
        scores += np.float32(weights.label) * self.labels
        return scores


class _Turns:
    """A lock that is given in the order of asking: nobody waits longer than for one of each other.

    With a plain lock a thread that reads one text after the other could take it again and again
    before the one that waits wakes up.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = self._served = 0
        self._gone: set[int] = set()

    def __enter__(self) -> None:
        with self._changed:
            mine = self._asked
            self._asked += 1
            try:
                self._changed.wait_for(lambda: self._served == mine)
            except BaseException:  # interrupted: the turn goes to the next
                self._leave(mine)
                raise

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._leave(self._served)

    def _leave(self, turn: int) -> None:
        self._gone.add(turn)
        while self._served in self._gone:
            self._gone.remove(self._served)
            self._served += 1
        self._changed.notify_all()


_ONE_AT_A_TIME = _Turns()
"""A fast tokenizer is one object with settings inside; two threads in it at once is an error."""


class Found(NamedTuple):
    """What a search found.

    Attributes:
        scores: (n_videos,) float32, by everything.
        lexical: (n_videos,) float32, by words alone.
        asked: (dim,) float32, vector of the query; None where no encoder is here.
    """

    scores: NDArray[np.float32]
    lexical: NDArray[np.float32]
    asked: NDArray[np.float32] | None


class Search:
    """Scores all videos against a text.

    Args:
        directory: The bundle.
        info: Of the bundle.
        catalogue: Of the bundle.
        moments: Of the bundle.
    """

    def __init__(
        self, directory: Path, info: BundleInfo, catalogue: Catalogue, moments: Moments
    ) -> None:
        self._name, self._info, self._moments = directory.name, info, moments
        self._text = catalogue.modalities.get("text")
        self._lexical = LexicalIndex.open(directory / "lexical", len(catalogue))
        labels = catalogue.videos["labels"] if "labels" in catalogue.videos.columns else None
        self._labels = LabelSearch(labels, len(catalogue))
        self._loading = threading.Lock()
        self._loaded: tuple[encoders.TextEncoder | None] | None = None  # not looked for yet

    def by_words(self, text: str) -> NDArray[np.float32]:
        """Score by words alone, (n_videos,) float32 in [0, 1]."""
        return self._lexical.score(text)

    def score(self, query: str) -> Found:
        """Score by everything, and by words alone.

        Where the release has no text vectors, or the encoder here is another, both are the same.
        """
        if not self.by_meaning:
            lexical = self.by_words(query)
            return Found(lexical, lexical, None)
        parts = self.parts(query)
        scores = parts.mixed(self._info.search or SearchWeights())
        return Found(scores, parts.lexical, parts.asked)

    @property
    def by_meaning(self) -> bool:
        """Whether texts are understood: there are text vectors, and their encoder is here."""
        return self._text is not None and self._text_encoder() is not None

    @property
    def space(self) -> str:
        """Fingerprint of the text vectors; "" without."""
        return "" if self._text is None else self._text.fingerprint

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors of texts, (n, dim) float32; None where texts are not understood."""
        encoder = self._text_encoder() if self._text is not None else None
        return None if encoder is None else _encode(encoder, texts)

    def parts(self, query: str) -> Parts:
        """Score by each part; needs `by_meaning`."""
        encoder = self._text_encoder()
        assert self._text is not None
        assert encoder is not None
        encode = partial(_encode, encoder)
        asked = encode([query])[0]
        shown = self._labels.nearest_shown(asked, encode)
        meaning = np.maximum(self._text.vectors @ asked, shown)
        np.maximum(meaning, self._moments.scores(asked), out=meaning)
        return Parts(meaning, self.by_words(query), self._labels.score(asked, encode), asked)

    def vectors(self) -> Space | None:
        """Return the text vectors; None without."""
        if self._text is None:
            return None
        vectors = self._text.vectors
        n_videos, dim = vectors.shape
        return Space(n_videos, dim, lambda videos: np.asarray(vectors[videos]))

    def asked(self, query: str) -> tuple[Asked, NDArray[np.float32]]:
        """Return what is looked for in `vectors`, and its vector; needs `by_meaning`.

        Likely videos are the nearest by their text, and the best by words, by labels and by moments
        each; they are scored by everything, as `score` does.
        """
        encoder, text = self._text_encoder(), self._text
        assert text is not None
        assert encoder is not None
        encode = partial(_encode, encoder)
        asked, weights = encode([query])[0], self._info.search or SearchWeights()
        when = self._moments.scores(asked) if len(self._moments) else None
        named = [
            self._lexical.likely(query, NAMED),
            self._labels.likely(asked, encode, NAMED),
            NONE if when is None else best(when, NAMED),
        ]

        def at(videos: NDArray[np.integer]) -> NDArray[np.float32]:
            labels, shown = self._labels.at(asked, encode, videos)
            meaning = np.maximum(text.vectors[videos] @ asked, shown)
            if when is not None:
                np.maximum(meaning, when[videos], out=meaning)
            return _matching(Parts(meaning, self._lexical.at(query, videos), labels).mixed(weights))

        def every() -> NDArray[np.float32]:
            return _matching(self.parts(query).mixed(weights))

        likely = np.unique(np.concatenate(named)).astype(np.intp)
        return Asked(asked, likely, at, every, least=NAMED), asked

    def by_words_at(self, query: str, videos: NDArray[np.integer]) -> NDArray[np.float32]:
        """Score some videos by words alone, (n,) float32."""
        return self._lexical.at(query, videos)

    def _text_encoder(self) -> encoders.TextEncoder | None:
        """Return the encoder of the text vectors, loaded on the first search; None without."""
        with self._loading:
            if self._loaded is None:
                self._loaded = (self._find_text_encoder(),)
            return self._loaded[0]

    def _find_text_encoder(self) -> encoders.TextEncoder | None:
        settings = self._info.encoders.get("text")
        if settings is None:
            return None
        expected = self._info.fingerprints.get("text")
        try:
            with _ONE_AT_A_TIME:  # two releases that open at once load one model
                encoder = _load(json.dumps(settings, sort_keys=True), str(expected))
        except ConfigError as err:
            fault = str(err)
        else:
            if composition_of(str(expected), encoder.fingerprint) != COMPOSITION:
                logger.warning(
                    "%s: its text vectors are of texts as an earlier version composed them: it "
                    "serves and searches as before; `kinoloop extract` and `kinoloop retrain` make "
                    "a release of today's texts",
                    self._name,
                )
            return encoder
        logger.error(
            "%s: the text vectors were made by encoder %s with fingerprint %s: %s; search goes by "
            "words alone until you extract and retrain",
            *(self._name, settings.get("kind"), expected, fault),
        )
        return None


def _matching(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hide what matches in no way."""
    return np.where(scores > 0, scores, np.float32(-np.inf))


@lru_cache(maxsize=1)
def _load(settings: str, expected: str) -> encoders.TextEncoder:
    """Load the encoder of text vectors, once per process: a new release mostly has the old one.

    Raises:
        ConfigError: It is not here.
    """
    encoder = encoders.build(json.loads(settings))
    known = composition_of(expected, encoder.fingerprint) is not None
    if isinstance(encoder, encoders.TextEncoder) and known:
        return encoder
    raise ConfigError(f"the one here is {encoder.fingerprint}")


def _encode(encoder: encoders.TextEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    with _ONE_AT_A_TIME:
        return encoder.encode_text(texts)
