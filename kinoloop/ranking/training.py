"""Training of the ranker: binary cross-entropy, early stopping on validation log loss.

A step is `batch_size` exposures whatever is trained, so that policies are compared at equal
batches; with a language model in training it is computed in parts, for memory.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.devices import place
from kinoloop.models.base import Report, State
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.language import Language
from kinoloop.ranking.network import RankerHead
from kinoloop.ranking.pairs import Pairs

logger = logging.getLogger(__name__)

MASKED = 0.1  # share of training pairs that lose their situation: some clients say nothing of it


class Examples(NamedTuple):
    """Pairs with features and labels.

    Attributes:
        pairs: (n) pairs.
        features: (n, F) float32, standardised.
        labels: (n,) bool.
        outcomes: (n, O − 1) bool, what is learned besides; None learns the label alone.
    """

    pairs: Pairs
    features: NDArray[np.float32]
    labels: NDArray[np.bool_]
    outcomes: NDArray[np.bool_] | None = None

    def targets(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """(n_rows, O) what some rows should bring."""
        labels = self.labels[rows, None]
        parts = [labels] if self.outcomes is None else [labels, self.outcomes[rows]]
        return np.hstack(parts).astype(np.float32)


@dataclass(frozen=True)
class Stored:
    """Text vectors that are not trained.

    Attributes:
        vectors: (n_videos, T) float32.
    """

    vectors: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """T."""
        return int(self.vectors.shape[1])

    def read(
        self,
        history_BL: NDArray[np.integer],
        weight_BL: NDArray[np.float32],
        videos_B: NDArray[np.integer],
    ) -> tuple[Tensor, Tensor]:
        """Profiles and candidates, (B, T) each; a sparse product, since nothing is trained."""
        rows, length = history_BL.shape
        parts = (weight_BL.ravel(), history_BL.ravel(), np.arange(0, rows * length + 1, length))
        weights = sp.csr_matrix(parts, shape=(rows, len(self.vectors)))
        profiles = np.asarray(weights @ self.vectors, dtype=np.float32)
        u_BT = nn.functional.normalize(torch.from_numpy(profiles).to(place()[0]), dim=1)
        return u_BT, torch.from_numpy(np.asarray(self.vectors[videos_B])).to(place()[0])


def train_head(
    config: RankerConfig,
    train: Examples,
    validation: Examples,
    *,
    words: "Words | None",
    situation: NDArray[np.integer],
    seed: int,
    report: Report,
) -> State:
    """Train; the weights of the epoch with the best validation log loss are given.

    Args:
        config: Hyper-parameters.
        train: What is learned from.
        validation: What decides when to stop.
        words: Gives the text vectors; None without the language model.
        situation: Columns of the features that say in which situation a video was shown.
        seed: Of initial weights, order and dropout.
        report: Receives `loss` and `validation_log_loss` per epoch.

    Returns:
        Arrays of the head, and `text`, (n_videos, T), where words are read.
    """
    device, rng = place()[0], np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        reader = (
            words if words is None or isinstance(words, Stored) else words(_steps(config, train))
        )
        head = RankerHead(
            train.features.shape[1],
            0 if reader is None else reader.dim,
            projection=config.text_dim,
            hidden=config.hidden,
            dropout=config.dropout,
            situation=situation.tolist(),
            outcomes=0 if train.outcomes is None else train.outcomes.shape[1],
        ).to(device)
        trainer = _Trainer(config, head, reader, rng)
        best, kept, waited = np.inf, trainer.arrays(), 0
        for epoch in range(1, config.epochs + 1):
            report("loss", trainer.epoch(train), epoch)
            arrays = trainer.arrays()
            now = trainer.log_loss(validation, arrays.get("text"))
            report("validation_log_loss", now, epoch)
            logger.info("ranker, epoch %d: validation log loss %.4f", epoch, now)
            if now < best:
                best, kept, waited = now, arrays, 0
            elif (waited := waited + 1) >= config.patience:
                break
    return kept


Words = Stored | Callable[[int], Language]
"""Vectors, or what makes a language model that is trained for so many steps."""


def _steps(config: RankerConfig, train: Examples) -> int:
    return config.epochs * -(-len(train.labels) // config.batch_size)


class _Trainer:
    """One head and its reader in training."""

    def __init__(
        self,
        config: RankerConfig,
        head: RankerHead,
        reader: Stored | Language | None,
        rng: np.random.Generator,
    ) -> None:
        self._config, self._head, self._reader = config, head, reader
        self._rng, self._step = rng, 0
        groups: list[dict[str, Any]] = [{"params": list(head.parameters())}]
        self._language = reader if isinstance(reader, Language) else None
        if self._language is not None:
            trained = [p for p in self._language.parameters() if p.requires_grad]
            groups.append({"params": trained, "lr": config.language.learning_rate})
        self._at_a_time = (
            config.batch_size if self._language is None else config.language.batch_size
        )
        self._optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def epoch(self, train: Examples) -> float:
        """One pass; the mean loss."""
        self._head.train()
        if self._language is not None:
            self._language.train()
        losses = []
        order = self._rng.permutation(len(train.labels))
        for start in range(0, len(order), self._config.batch_size):
            rows = order[start : start + self._config.batch_size]
            losses.append(self._gradients(train, rows))
            self._optimizer.step()
            if self._language is not None:
                self._language.tuned.after_step(self._step)
            self._step += 1
        return float(torch.stack(losses).mean())

    def _gradients(self, train: Examples, rows: NDArray[np.integer]) -> Tensor:
        """Compute the gradients of one step, part by part; its mean loss."""
        features = train.features[rows]
        masked = self._rng.random(len(rows)) < MASKED
        features[np.ix_(masked, np.array(self._head.columns, dtype=np.intp))] = 0
        self._optimizer.zero_grad(set_to_none=True)
        losses = []
        for start in range(0, len(rows), self._at_a_time):
            part = slice(start, start + self._at_a_time)
            logits = self._logits(features[part], train.pairs, rows[part], self._reader)
            loss = nn.functional.binary_cross_entropy_with_logits(
                logits, _targets(train, rows[part], logits), reduction="sum"
            ) / len(rows)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
            losses.append(loss.detach())
        penalty = None if self._language is None else self._language.tuned.penalty()
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]  # as above
        return torch.stack(losses).sum()

    def arrays(self) -> State:
        """Return the head, and the text vectors as they are now."""
        arrays = self._head.arrays()
        if self._language is not None:
            arrays["text"] = self._language.read_all()
        elif isinstance(self._reader, Stored):
            arrays["text"] = self._reader.vectors
        return arrays

    @torch.no_grad()
    def log_loss(self, examples: Examples, text: NDArray[np.float32] | None) -> float:
        """Mean log loss, over all that is learned, with text vectors that were read before."""
        self._head.eval()
        total, step = 0.0, self._config.batch_size
        stored = None if text is None else Stored(text)
        for start in range(0, len(examples.labels), step):
            rows = np.arange(start, min(start + step, len(examples.labels)))
            logits = self._logits(examples.features[rows], examples.pairs, rows, stored)
            total += float(
                nn.functional.binary_cross_entropy_with_logits(
                    logits, _targets(examples, rows, logits), reduction="sum"
                )
            )
        return total / max(1, len(examples.labels))

    def _logits(
        self,
        features: NDArray[np.float32],
        pairs: Pairs,
        rows: NDArray[np.integer],
        reader: Stored | Language | None,
    ) -> Tensor:
        device = self._head.out.weight.device
        x_BF = torch.from_numpy(features).to(device)
        u_BT = v_BT = None
        if reader is not None:
            at = pairs.contexts[rows]
            recency = self._config.decay ** np.arange(pairs.history.shape[1])
            weights = (np.maximum(pairs.interest[at], 0) * recency).astype(np.float32)
            u_BT, v_BT = reader.read(pairs.history[at], weights, pairs.videos[rows])
        logits_BO: Tensor = self._head.all(x_BF, u_BT, v_BT)
        return logits_BO


def _targets(examples: Examples, rows: NDArray[np.integer], like: Tensor) -> Tensor:
    return torch.from_numpy(examples.targets(rows)).to(like.device)
