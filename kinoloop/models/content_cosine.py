"""Content cosine: videos that look, sound and read like what was watched last.

Each modality compares the videos' vectors with a recency-weighted profile of the history; a
lexical channel (TF-IDF over titles and tags) does the same with words. Cosines of different
encoders have different means and spreads, so each dense channel is standardised over the videos of
a row before the weighted sum; a video that lacks a modality takes the mean there (0), neither
favoured nor punished. Needs no behaviour of others, so it can recommend a video at once; it knows
no taste beyond likeness.
"""

from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import (
    RECOMMENDERS,
    Decay,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
)
from kinoloop.models.extended import over, read_anew
from kinoloop.models.lexical import NEIGHBOURLY, Lexicon
from kinoloop.models.neighbours import Neighbours, recent_weights

NO_ROWS = np.empty(0, dtype=np.int64)


class ContentCosineConfig(RecommenderConfig):
    """Weights of the channels and recency."""

    kind: Literal["content_cosine"] = "content_cosine"
    modality_weights: dict[str, float] = Field(
        {"text": 1.0, "visual": 0.5, "audio": 0.25},
        description="Weight of each standardised modality; a name that is not here weighs 0.",
    )
    lexical_weight: float = Field(20.0, ge=0, description="Weight of the words; 0 is without.")
    lexical_neighbours: int = Field(200, ge=1, description="Videos kept that share words.")
    decay: Decay = 0.8


@RECOMMENDERS.register("content_cosine")
class ContentCosine(Recommender):
    """Scores by likeness to the recent history."""

    Config = ContentCosineConfig
    config: ContentCosineConfig
    _lexical: Neighbours
    _lexicon: Lexicon
    _trained_on: int | None = None  # first videos whose mean and spread count; None: all
    _otherwise: State | None = None  # vectors that some had in training and have no more

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:  # noqa: ARG002 (nothing is learned)
        self._lexicon = Lexicon.of(self.catalogue.videos)
        top_n, words = self.config.lexical_neighbours, self._lexicon.matrix
        self._lexical = Neighbours.of(words, top_n=top_n, most_shared=NEIGHBOURLY)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        scores = self._lexical.score(histories, decay=self.config.decay)
        history = recent_weights(histories, len(self.catalogue), decay=self.config.decay)
        total = np.asarray(abs(history).sum(axis=1), dtype=np.float32)
        scores *= np.float32(self.config.lexical_weight) / np.maximum(total, np.float32(1e-12))
        for name, weight in self.config.modality_weights.items():
            if weight and name in self.catalogue.modalities:
                scores += np.float32(weight) * self._channel(history, name)
        return self._break_ties(scores)

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        total = np.float32(self.config.lexical_weight) * self._lexical.to(liked, videos)
        for name, weight in self.config.modality_weights.items():
            if name in self.catalogue.modalities:
                vectors = self.catalogue.modalities[name].vectors
                total += np.float32(weight) * (vectors[videos] @ vectors[liked].T)
        return np.asarray(total, dtype=np.float32)

    def _state(self) -> State:
        return {**self._lexical.state(), **self._lexicon.state()}

    def _restore(self, state: State) -> None:
        self._lexical = Neighbours.from_state(state)
        self._lexicon = Lexicon.from_state(state, self.catalogue.videos)

    def _extension(
        self, catalogue: Catalogue, before: State, changed: NDArray[np.integer]
    ) -> State:
        """Keep the vectors that changed videos had in training, beside what every kind keeps."""
        made = super()._extension(catalogue, before, changed)
        rows, since = made["changed"], before.get("changed", NO_ROWS)
        for name, modality in self.catalogue.modalities.items():
            had = {f"{name}.vectors": modality.vectors, f"{name}.present": modality.present}
            for part, values in had.items():
                made[part] = values[rows]
                if part in before:
                    made[part][np.searchsorted(rows, since)] = before[part]
        return made

    def _channel(self, history: sp.csr_matrix, name: str) -> NDArray[np.float32]:
        """Cosine with the profile, mean 0 and deviation 1 over the trained videos with vectors.

        Those that are others now count as they were in training, so that they move nobody.
        """
        modality = self.catalogue.modalities[name]
        profiles = np.asarray(history @ modality.vectors)
        cosines = profiles @ modality.vectors.T  # up to the profile's length, which cancels below
        known, present = cosines[:, : self._trained_on], modality.present[: self._trained_on]
        then = self._otherwise or {}
        if f"{name}.vectors" in then:
            known, present, rows = known.copy(), present.copy(), then["changed"]
            known[:, rows] = profiles @ then[f"{name}.vectors"].T
            present[rows] = then[f"{name}.present"]
        if present.any():
            known = known if present.all() else known[:, present]
            mean, spread = known.mean(axis=1, keepdims=True), known.std(axis=1, keepdims=True)
            cosines -= mean
            cosines /= np.maximum(spread, np.float32(1e-9))
        cosines[:, ~modality.present] = 0
        return np.asarray(cosines, dtype=np.float32)

    def _extended_by(self, catalogue: Catalogue, extension: State) -> "ContentCosine":
        """Extend by what a new video looks, sounds and reads like: it is scored like any other."""
        grown, asked = over(self, catalogue, extension), read_anew(extension, catalogue)
        words, top_n = self._lexicon.grown(catalogue.videos, asked), self.config.lexical_neighbours
        grown._lexical = self._lexical.grown(words, asked, top_n=top_n, most_shared=NEIGHBOURLY)
        grown._trained_on, grown._otherwise = len(self.prior), extension
        return grown
