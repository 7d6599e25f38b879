"""The multimodal sequence recommender: a small transformer over fused video vectors.

Reads the last videos of a history (with what the user did, how far they watched and how long they
paused) and scores every video by its fused vector, and by the words that it shares with the
history: score(j) = h_last · v_j + w Σ_a decay^a cos(words of j, words of the a-th newest), and by
how it rises: + u log(share lately / share in all); w and u are chosen on validation. Videos that
nobody has watched have vectors too, from their content alone. The vectors of the catalogue are
computed once, after training, and stored; one history costs one small forward pass in numpy and one
product (with a pretrained backbone, one forward pass of it in torch).

Training uses a GPU where there is one (bf16), several under `torchrun` (see
`kinoloop/training/fit.py`), and the CPU without being told. The same seed, data and settings give
the same weights on the same machine; on a GPU up to the order of additions.
"""

import logging
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.errors import ConfigError
from kinoloop.models.base import (
    RECOMMENDERS,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
)
from kinoloop.models.choosing import choose
from kinoloop.models.cosine import cosines
from kinoloop.models.extended import over, read_anew
from kinoloop.models.lexical import NEIGHBOURLY, Lexicon
from kinoloop.models.neighbours import Neighbours
from kinoloop.models.new_videos import give_places
from kinoloop.models.transformer.config import SequenceConfig
from kinoloop.models.transformer.content import PREFIX, content_vectors, has_content
from kinoloop.models.transformer.context import read_context
from kinoloop.models.transformer.facts import TuningFacts, facts_in
from kinoloop.models.transformer.inference import Reads, alike, is_of_backbone, reader_of
from kinoloop.models.trend import moved_rise, rise_of
from kinoloop.models.vector_query import VectorQuery, VideoVectors

logger = logging.getLogger(__name__)

MATCH_WEIGHTS = (0.0, 1.0, 2.0, 4.0, 6.0)  # nats; what is tried on validation
MATCHED, WANTED = "match_weight", "wanted_share"
WANTED_SHARES = (0.0, 0.5, 1.0, 2.0)  # of the logit of "wanted"; what is tried on validation
MATCH_WEIGHT = 2.0  # where there is no validation; what docs/results/sequence.md was measured with


@RECOMMENDERS.register("sequence")
class Sequence(Recommender):
    """Scores by a causal transformer over the history.

    Attributes:
        best_epoch: The epoch whose weights were kept; 0 before `fit`.
        match_weight: Of the words shared with the history; 0 before `fit`.
        wanted_share: Of the logit that a video is wanted, in the score; 0 where it is not asked.
    """

    Config = SequenceConfig
    config: SequenceConfig
    goes_on = True
    holds = "_items"
    best_epoch: int = 0
    match_weight: float = 0.0
    wanted_share: float = 0.0
    _items: NDArray[np.float32]  # (n_videos, dim)
    _context: NDArray[np.float32]  # (n_classes, dim)
    _new: NDArray[np.bool_]  # (n_trained,) videos without events
    _match: Neighbours
    _rise: NDArray[np.float32]  # (n_trained,) nats
    _reader: Reads
    _backbone: State
    _learned: State
    _content: State
    _lexicon: Lexicon
    _asks: State
    _remembered: dict[bytes, NDArray[np.float32]] | None = None

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        super().__init__(config, seed=seed)
        self._learned = {}

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        from kinoloop.models.transformer.fitting import Watched, count_videos, fit_network

        config = self.config
        words = self._lexicon = Lexicon.of(self.catalogue.videos, most=max(1, config.words))
        top_n = config.match_neighbours
        self._match = Neighbours.of(words.matrix, top_n=top_n, most_shared=NEIGHBOURLY)
        self._new = count_videos(histories, len(self.catalogue)) == 0
        self._rise = rise_of(histories, self.prior)

        def quality(arrays: State) -> float:
            assert validation is not None
            self._take(arrays)
            return validation.ndcg(self.score)

        fitted = fit_network(
            config,
            histories,
            self.catalogue,
            words if config.words and words.names else None,
            seed=self.seed,
            training=Watched(
                quality=quality if validation is not None and config.epochs > 1 else None,
                report=report,
                checkpoints=self.checkpoints,
                warm=self.warm,
            ),
        )
        self.best_epoch, self._learned, self._remembered = fitted.epoch, fitted.learned, {}
        self._take(fitted.arrays)
        self.match_weight = self._chosen_weight(validation)
        self.wanted_share = self._chosen_share(validation)
        choose(self, "trend_weight", validation)
        self._remembered = None
        kept = self.best_epoch, config.epochs, self.match_weight
        logger.info("sequence: kept epoch %d of %d; words that match weigh %g", *kept)

    def learned(self) -> State:
        """Return all that was trained of the network, what it is of, and what was chosen."""
        if not self._learned:
            return {}
        chosen = np.array([[self.match_weight], [self.wanted_share]], dtype=np.float32)
        return {**self._learned, MATCHED: chosen[0], WANTED: chosen[1]}

    def _chosen_weight(self, validation: Validation | None) -> float:
        """Return the set weight of matching words, or the best on validation (lowest of ties)."""
        if self.config.match_weight is not None:
            return self.config.match_weight
        if validation is None and self.warm is not None:
            return float(self.warm.array(MATCHED, (1,))[0])
        if validation is None or not self._match.similarity.nnz:
            return MATCH_WEIGHT if self._match.similarity.nnz else 0.0
        found = []
        for weight in MATCH_WEIGHTS:
            self.match_weight = weight
            found.append(validation.ndcg(self.score))
        return MATCH_WEIGHTS[int(np.argmax(found))]

    def _chosen_share(self, validation: Validation | None) -> float:
        """Return the share of "wanted" that is best on validation, lowest of ties."""
        if not self._asks:
            return 0.0
        if validation is None:  # what the earlier training chose; one of before has not kept it
            return float(self.warm.weights.get(WANTED, [0])[0]) if self.warm else 0.0
        found = []
        for share in WANTED_SHARES:
            self.wanted_share = share
            found.append(validation.ndcg(self.score))
        return WANTED_SHARES[int(np.argmax(found))]

    @property
    def facts(self) -> TuningFacts | None:
        """How its pretrained backbone was fine-tuned; None where it has none."""
        return facts_in(self._backbone)

    def wanted(self, histories: Histories) -> NDArray[np.float32]:
        """Chance that each video would be wanted after each history, (n_rows, n_videos) float32.

        Raises:
            ConfigError: It was fitted with `wanted = 0`: it was never asked.
        """
        if not self._asks:
            raise ConfigError("it never learned what is wanted; set `wanted` above 0 and fit again")
        logits = self._wanted_logits(self._hidden_rows(histories.last(self.config.length)))
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)

    def _wanted_logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._turned(hidden) @ self._items.T + self._asks["asks.bias"])

    def _turned(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hidden states as "wanted" asks by them, (n_rows, dim)."""
        return np.asarray(hidden @ self._asks["asks.turn.weight"].T + self._asks["asks.turn.bias"])

    def _hidden_rows(self, recent: Histories) -> NDArray[np.float32]:
        """Last hidden state of each row, (n_rows, dim); zero where it is empty."""
        if len(recent) == 1 and len(recent.videos):  # a request
            return self._hidden(recent)
        key = recent.offsets.tobytes() + recent.videos.tobytes()
        if self._remembered is not None and key in self._remembered:
            return self._remembered[key]
        hidden = np.zeros((len(recent), self.config.dim), dtype=np.float32)
        busy = np.flatnonzero(recent.lengths > 0)
        for rows in alike(busy, recent.lengths[busy]):
            hidden[rows] = self._hidden(recent.rows(rows))
        if self._remembered is not None:
            self._remembered[key] = hidden
        return hidden

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        recent = histories.last(self.config.length)
        hidden = self._hidden_rows(recent)
        scores = np.asarray(hidden @ self._items.T)
        if self.wanted_share:
            scores += np.float32(self.wanted_share) * self._wanted_logits(hidden)
        if self.match_weight:
            decay, weight = self.config.match_decay, self.match_weight
            self._match.add(scores, recent, weight=weight, decay=decay)
        if self.config.trend_weight:
            scores[:, : len(self._rise)] += np.float32(self.config.trend_weight) * self._rise
        if self.config.new_video_places:
            give_places(scores, histories, self._new, self.config.new_video_places)
        return scores

    def video_vectors(self) -> VideoVectors | None:
        """Return the videos' vectors, and how they rise; None where new ones have places."""
        if self.config.new_video_places:
            return None
        standing = np.zeros(len(self._items), dtype=np.float32)
        standing[: len(self._rise)] = np.float32(self.config.trend_weight) * self._rise
        if self.wanted_share:
            standing += np.float32(self.wanted_share) * self._asks["asks.bias"]
        return VideoVectors(self._items, standing)

    def vector_query(self, history: Histories) -> VectorQuery:
        """Ask by the last hidden state, and for videos that share words with the history."""
        recent = history.last(self.config.length)
        hidden = self._hidden_rows(recent)
        asked = hidden[0]
        if self.wanted_share:
            asked = asked + np.float32(self.wanted_share) * self._turned(hidden)[0]
        videos, shared = self._match.found(recent, decay=self.config.match_decay)
        return VectorQuery(asked, videos, np.float32(self.match_weight) * shared)

    def _hidden(self, recent: Histories) -> NDArray[np.float32]:
        """Last hidden state of rows that are not empty, (n_rows, dim)."""
        lengths = recent.lengths
        events = self._items[recent.videos] + self._context[read_context(recent)].sum(axis=1)
        steps = np.arange(int(lengths.max()))
        inputs = np.zeros((len(lengths), len(steps), self.config.dim), dtype=np.float32)
        inputs[steps < lengths[:, None]] = events
        return self._reader.last_hidden(inputs, lengths)

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return cosines(self._items[videos], self._items[liked])

    def _state(self) -> State:
        return {
            "items": self._items,
            "context": self._context,
            "new": self._new,
            "rise": self._rise,
            "match_weight": np.array([self.match_weight], dtype=np.float32),
            "wanted_share": np.array([self.wanted_share], dtype=np.float32),
            **self._match.state(),
            **self._lexicon.state(),
            **self._asks,
            **self._backbone,
            **self._content,
        }

    def _restore(self, state: State) -> None:
        self._new, self.match_weight = state["new"], float(state["match_weight"][0])
        self._rise = state.get("rise", np.zeros(0, np.float32))  # a release of before has none,
        if "wanted_share" in state:  # and an older one
            self.wanted_share = float(state["wanted_share"][0])
        self._match = Neighbours.from_state(state)
        self._lexicon = Lexicon.from_state(state, self.catalogue.videos[:0])
        self._take(state)

    def at_popularity(self, prior: NDArray[np.float32]) -> Self:
        """Return the same with another popularity, and what rises by it."""
        other, n = super().at_popularity(prior), len(self._rise)
        other._rise = moved_rise(self._rise, self.prior[:n], prior[:n])
        return other

    def _extended_by(self, catalogue: Catalogue, extension: State) -> Recommender:
        """Extend by the content of what is new, in the space that was learned."""
        if not has_content(self._content):
            return super()._extended_by(catalogue, extension)
        grown, asked = over(self, catalogue, extension), read_anew(extension, catalogue)
        words = self._lexicon.grown(catalogue.videos, asked)
        vectors = content_vectors(self._content, catalogue, asked, words[asked])
        changed = asked[asked < len(self.prior)]
        had = self._lexicon.matrix[changed]
        vectors[: len(changed)] -= content_vectors(self._content, self.catalogue, changed, had)
        items = np.zeros((len(catalogue), self.config.dim), dtype=np.float32)
        items[: len(self.prior)] = self._items
        items[asked] += vectors
        grown._items = items
        kept = {"top_n": self.config.match_neighbours, "most_shared": NEIGHBOURLY}
        grown._match = self._match.grown(words, asked, **kept)
        return grown

    def _take(self, arrays: State) -> None:
        """Take over what was trained; other arrays are passed over."""
        self._items, self._context = arrays["items"], arrays["context"]
        self._content = {name: value for name, value in arrays.items() if name.startswith(PREFIX)}
        self._backbone = {name: value for name, value in arrays.items() if is_of_backbone(name)}
        self._asks = {name: value for name, value in arrays.items() if name.startswith("asks.")}
        self._reader = reader_of(self._backbone, self.config.layers, self.config.heads)
