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

from kinoloop.data.catalogue import Catalogue, Modality
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
from kinoloop.models.lexical import Lexicon
from kinoloop.models.neighbours import Neighbours, recent_weights


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

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:  # noqa: ARG002 (nothing is learned)
        self._lexicon = Lexicon.of(self.catalogue.videos)
        self._lexical = Neighbours.of(self._lexicon.matrix, top_n=self.config.lexical_neighbours)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        scores = self._lexical.score(histories, decay=self.config.decay)
        history = recent_weights(histories, len(self.catalogue), decay=self.config.decay)
        total = np.asarray(abs(history).sum(axis=1), dtype=np.float32)
        scores *= np.float32(self.config.lexical_weight) / np.maximum(total, np.float32(1e-12))
        for name, weight in self.config.modality_weights.items():
            if weight and name in self.catalogue.modalities:
                channel = _standardised(history, self.catalogue.modalities[name], self._trained_on)
                scores += np.float32(weight) * channel
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

    def _extended_by(self, catalogue: Catalogue, extension: State) -> "ContentCosine":
        """Extend by what a new video looks, sounds and reads like: it is scored like any other."""
        grown, asked = over(self, catalogue, extension), read_anew(extension, catalogue)
        words, top_n = self._lexicon.grown(catalogue.videos, asked), self.config.lexical_neighbours
        grown._lexical = self._lexical.grown(words, asked, top_n=top_n)
        grown._trained_on = len(self.prior)
        return grown


def _standardised(
    history: sp.csr_matrix, modality: Modality, first: int | None
) -> NDArray[np.float32]:
    """Cosine with the profile, mean 0 and deviation 1 over the first videos that have vectors."""
    profiles = np.asarray(history @ modality.vectors)
    cosines = profiles @ modality.vectors.T  # up to the profile's length, which cancels below
    present = modality.present[:first]
    if present.any():
        known = cosines[:, :first] if present.all() else cosines[:, :first][:, present]
        cosines -= known.mean(axis=1, keepdims=True)
        cosines /= np.maximum(known.std(axis=1, keepdims=True), np.float32(1e-9))
    cosines[:, ~modality.present] = 0
    return np.asarray(cosines, dtype=np.float32)
