"""The ranker: a calibrated probability that a user wants a video, for the best of a slate.

A pretrained language model reads the words of the history and of the candidate; its vectors meet
features of content, behaviour, popularity, user, video, context and situation in a small head,
trained on exposures with binary cross-entropy. Words are read once per video, when the ranker is
fitted, so that an answer costs a millisecond or two and a release needs no language model.
Inference is numpy.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.situations import NOWHERE, Situation
from kinoloop.errors import BundleError
from kinoloop.models.anchors import Anchors
from kinoloop.models.base import EXTENSION, LEARNED_NOWHERE, State
from kinoloop.models.neighbours import Neighbours
from kinoloop.models.state import read_state, write_state
from kinoloop.ranking.calibrate import calibrate, sigmoid
from kinoloop.ranking.config import OUTCOMES, RankerConfig
from kinoloop.ranking.counts import DailyCounts
from kinoloop.ranking.features import Features, Knowledge
from kinoloop.ranking.many_rows import ManyRows
from kinoloop.ranking.one_row import OneRow
from kinoloop.ranking.pairs import NO_VOCABULARY, Pairs, candidate_pairs
from kinoloop.ranking.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


class Ranker:
    """Says how likely a user wants each of some videos.

    Args:
        config: Settings.
        knowledge: What features are computed from.
        state: Arrays of the head, standardisation, calibration and blend; `text` where words are
            read.

    Attributes:
        trained: Where it was extended, the ranker as it was trained.
        extension: What it knows of videos that it was not trained on.
    """

    trained: "Ranker | None" = None
    extension: State = {}  # noqa: RUF012 (replaced, never changed)

    def __init__(self, config: RankerConfig, knowledge: Knowledge, state: State) -> None:
        self.config, self.knowledge, self._state = config, knowledge, state
        self._features = Features(knowledge, config.groups)
        self._many_rows = ManyRows(config, self._features, state)
        self._vocabulary = knowledge.vocabulary or NO_VOCABULARY
        self._text: NDArray[np.float32] | None = state.get("text")
        self._head = {
            name.removeprefix("head."): value
            for name, value in state.items()
            if name.startswith("head.")
        }

    @property
    def blend(self) -> float:
        """Share of the retrieval score in the order of a re-ranked slate, in [0, 1]."""
        return float(self._state["blend"][0])

    @property
    def reads_situations(self) -> bool:
        """Whether it has learned to tell situations apart."""
        return bool(self._vocabulary.columns)

    def with_blend(self, blend: float) -> "Ranker":
        """Return the same ranker with another share of the retrieval score."""
        return Ranker(self.config, self.knowledge, {**self._state, "blend": np.array([blend])})

    @property
    def by_value(self) -> bool:
        """Whether it orders by the value of what may come of showing a video."""
        return self.config.value.order == "value" and bool(len(self._codes))

    @property
    def _codes(self) -> list[int]:
        """Outcomes that were learned, positions in `OUTCOMES`."""
        return [int(code) for code in self._state.get("outcomes", ())]

    def outcomes(self, pairs: Pairs) -> dict[str, NDArray[np.float64]]:
        """Calibrated probability of each outcome that was learned, by name, (n,) each."""
        if not len(self._codes):
            return {}
        fits = self._state["outcome_calibration"]
        found = zip(self._codes, fits, self.outcome_logits(pairs).T, strict=True)
        return {OUTCOMES[code]: sigmoid(scale * z + shift) for code, (scale, shift), z in found}

    def value(self, pairs: Pairs) -> NDArray[np.float64]:
        """Weighted sum of the probabilities of what was learned, (n,)."""
        weights = self.config.value.weights()
        terms = [weights[name] * p for name, p in self.outcomes(pairs).items()]
        return np.sum(terms, axis=0) if terms else np.zeros(len(pairs.videos))

    def probabilities(self, pairs: Pairs) -> NDArray[np.float64]:
        """Calibrated probability of each pair, (n,)."""
        return calibrate(self.logits(pairs), self._state)

    def rank(
        self,
        histories: Histories,
        candidates: NDArray[np.integer],
        retrieval: NDArray[np.floating],
        *,
        moments: NDArray[np.int64],
        situations: Sequence[Situation] | None = None,
    ) -> NDArray[np.float64]:
        """Scores to order candidates by: logit or value, and retrieval score, both standardised.

        Args:
            histories: Rows to rank for.
            candidates: (n_rows, k) internal indices.
            retrieval: (n_rows, k) scores of the recommender that found them.
            moments: (n_rows,) µs since the epoch: when the answer is given.
            situations: In which situation each row is; None: nothing is known.

        Returns:
            (n_rows, k), higher is better.
        """
        known = situations or [NOWHERE] * len(histories)
        pairs = candidate_pairs(
            histories,
            candidates,
            length=self.config.length,
            moments=moments,
            situations=self._vocabulary.codes(known),
        )
        wanted = (self.value if self.by_value else self.logits)(pairs).reshape(candidates.shape)
        return (1 - self.blend) * _standardised(wanted) + self.blend * _standardised(retrieval)

    def logits(self, pairs: Pairs) -> NDArray[np.float64]:
        """Logit of each pair before calibration, (n,)."""
        logits = self._hidden(pairs) @ self._head["out.weight"][0] + self._head["out.bias"][0]
        return np.asarray(logits, dtype=np.float64)

    def outcome_logits(self, pairs: Pairs) -> NDArray[np.float64]:
        """Logits of the outcomes that were learned, before calibration, (n, O − 1)."""
        weight, bias = self._head["out.weight"][1:], self._head["out.bias"][1:]
        return np.asarray(self._hidden(pairs) @ weight.T + bias, dtype=np.float64)

    def _hidden(self, pairs: Pairs) -> NDArray[np.float32]:
        """Compute what the last layer reads, (n, H)."""
        if len(pairs.history) == 1 and pairs.moments[0] >= self.knowledge.counts.newest:
            return self._one_row.hidden(pairs)
        return self._many_rows.hidden(pairs)

    @cached_property
    def _one_row(self) -> OneRow:
        return OneRow(self.config, self._features, self._state)

    def extended(self, catalogue: Catalogue, anchors: Anchors) -> "Ranker":
        """Return this ranker over a catalogue that has grown since it was trained.

        A new video has the popularity and the words that its anchors have, so far as they are like
        it; its own counts and neighbours come with the next training.

        Args:
            catalogue: The videos of its own catalogue first, in the same order, then new ones.
            anchors: Of the new ones.
        """
        base, prior = self.trained or self, (self.trained or self).knowledge.prior
        extension = {"prior": anchors.prior(prior)[len(prior) :]}
        if base._text is not None:
            extension["text"] = anchors.rows(base._text)
        return base._extended_by(catalogue, extension)

    def _extended_by(self, catalogue: Catalogue, extension: State) -> "Ranker":
        knowledge = replace(
            self.knowledge,
            catalogue=catalogue,
            prior=np.concatenate([self.knowledge.prior, extension["prior"]]),
            neighbours=self.knowledge.neighbours.over(len(catalogue)),
        )
        state = dict(self._state)
        if self._text is not None:
            state["text"] = np.concatenate([self._text, extension["text"]])
        grown = Ranker(self.config, knowledge, _shared(state, catalogue))
        grown.trained, grown.extension = self, extension
        return grown

    def save(self, directory: Path) -> None:
        """Write `config.json`, `situations.json` and `state.safetensors`: no pickle."""
        if self.trained is not None:
            self.trained.save(directory)
            write_state(directory / EXTENSION, self.extension)
            return
        directory.mkdir(parents=True, exist_ok=True)
        document = self.config.model_dump(mode="json")
        (directory / "config.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        if self.knowledge.vocabulary is not None:
            self.knowledge.vocabulary.save(directory)
        state = {**self.knowledge.state(), **self._state}
        write_state(directory / "state.safetensors", state)

    @classmethod
    def load(cls, directory: Path, catalogue: Catalogue) -> "Ranker":
        """Read what `save` wrote.

        Raises:
            BundleError: It was fitted on another catalogue, is not finite, or is all zero.
        """
        more = directory / EXTENSION
        if more.exists():
            extension = read_state(more, weights=LEARNED_NOWHERE)
            trained = catalogue.first(len(catalogue) - len(extension["prior"]))
            return cls._load(directory, trained)._extended_by(catalogue, extension)
        return cls._load(directory, catalogue)

    @classmethod
    def _load(cls, directory: Path, catalogue: Catalogue) -> "Ranker":
        document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        config = RankerConfig.model_validate(document)
        state = read_state(directory / "state.safetensors", weights="head.")
        if len(state["prior"]) != len(catalogue):
            raise BundleError(
                f"{directory}: the ranker was fitted on {len(state['prior'])} videos, got a "
                f"catalogue of {len(catalogue)}; load both from the same bundle"
            )
        knowledge = Knowledge(
            catalogue=catalogue,
            prior=state["prior"],
            counts=DailyCounts.from_state(state),
            neighbours=Neighbours.from_state(state),
            decay=config.decay,
            vocabulary=Vocabulary.load(directory),
            half_lives=tuple(state.get("half_lives", np.empty(0)).tolist()),
        )
        known = set(knowledge.state())
        own = {k: v for k, v in state.items() if k not in known}
        ranker = cls(config, knowledge, _shared(own, catalogue))
        ranker._check_widths(directory)
        return ranker

    def _check_widths(self, directory: Path) -> None:
        """Rank one video, which needs all parts to be as wide as they were learned.

        Raises:
            BundleError: They are not.
        """
        one = Histories.from_rows([[]])
        moment, score = np.zeros(1, dtype=np.int64), np.zeros((1, 1))
        try:
            self.rank(one, np.zeros((1, 1), dtype=np.intp), score, moments=moment)
        except ValueError as err:
            raise BundleError(
                f"{directory}: the ranker and its situations.json do not fit together ({err}); "
                "fetch the bundle again"
            ) from err


def _shared(state: State, catalogue: Catalogue) -> State:
    """Return the same state, with the catalogue's vectors of text where they are the same."""
    text, known = state.get("text"), catalogue.modalities.get("text")
    if text is None or known is None or not np.array_equal(text, known.vectors):
        return state
    return {**state, "text": known.vectors}  # one copy in memory, and in the cache


def _standardised(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean 0 and deviation 1 along a row; what is not finite is the lowest."""
    finite = np.isfinite(values)
    if not finite.all():
        lowest = np.where(finite, values, np.inf).min(axis=1, keepdims=True)
        values = np.where(finite, values, np.where(np.isfinite(lowest), lowest, 0.0))
    k = max(values.shape[1], 1)
    centred = values - np.add.reduce(values, axis=1, keepdims=True, dtype=np.float64) / k
    variance = np.einsum("rk,rk->r", centred, centred)[:, None] / k
    return np.asarray(centred / np.maximum(np.sqrt(variance), 1e-9))
