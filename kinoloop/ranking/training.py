"""Training of the ranker's head: binary cross-entropy, early stopping on validation log loss."""

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.encoders.pretrained import place
from kinoloop.models.base import Report, State
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.network import Head, profile
from kinoloop.ranking.pairs import Pairs

logger = logging.getLogger(__name__)

MASKED = 0.1  # share of training pairs that lose their surface: an answer in service has none


class Examples(NamedTuple):
    """Pairs with features and labels.

    Attributes:
        pairs: (n) pairs.
        features: (n, F) float32, standardised.
        labels: (n,) bool.
    """

    pairs: Pairs
    features: NDArray[np.float32]
    labels: NDArray[np.bool_]


def train_head(
    config: RankerConfig,
    train: Examples,
    validation: Examples,
    *,
    text: NDArray[np.float32] | None,
    surfaces: NDArray[np.integer],
    seed: int,
    report: Report,
) -> State:
    """Train; the weights of the epoch with the best validation log loss are given.

    Args:
        config: Hyper-parameters.
        train: What is learned from.
        validation: What decides when to stop.
        text: (n_videos, T) vectors of the videos' words; None without the language model.
        surfaces: Columns of the features that say where a video was shown.
        seed: Of initial weights, order and dropout.
        report: Receives `loss` and `validation_log_loss` per epoch.
    """
    device, rng = place()[0], np.random.default_rng(seed)
    vectors = None if text is None else torch.from_numpy(np.array(text)).to(device)
    recency = config.decay ** np.arange(train.pairs.history.shape[1])
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        head = Head(
            train.features.shape[1],
            0 if vectors is None else vectors.shape[1],
            projection=config.text_dim,
            hidden=config.hidden,
            dropout=config.dropout,
        ).to(device)
        optimizer = torch.optim.AdamW(
            head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        best, kept, waited = np.inf, head.arrays(), 0
        for epoch in range(1, config.epochs + 1):
            head.train()
            losses = []
            order = rng.permutation(len(train.labels))
            for start in range(0, len(order), config.batch_size):
                rows = order[start : start + config.batch_size]
                features = train.features[rows]
                features[np.ix_(rng.random(len(rows)) < MASKED, surfaces)] = 0
                logits = _logits(head, features, train.pairs, rows, (vectors, recency))
                labels = torch.from_numpy(train.labels[rows].astype(np.float32)).to(device)
                loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
                optimizer.step()
                losses.append(loss.detach())
            report("loss", float(torch.stack(losses).mean()), epoch)
            now = _validate(head, validation, recency, vectors, config.batch_size)
            report("validation_log_loss", now, epoch)
            logger.info("ranker, epoch %d: validation log loss %.4f", epoch, now)
            if now < best:
                best, kept, waited = now, head.arrays(), 0
            elif (waited := waited + 1) >= config.patience:
                break
    return kept


Text = tuple[Tensor | None, NDArray[np.floating]]


def _logits(
    head: Head, features: NDArray[np.float32], pairs: Pairs, rows: NDArray[np.integer], text: Text
) -> Tensor:
    vectors, recency = text
    device = head.out.weight.device
    x_BF = torch.from_numpy(features).to(device)
    if vectors is None:
        plain: Tensor = head(x_BF, None, None)
        return plain
    at = pairs.contexts[rows]
    weights = (np.maximum(pairs.interest[at], 0) * recency).astype(np.float32)
    history = torch.from_numpy(pairs.history[at].astype(np.int64)).to(device)
    u_BT = profile(vectors, history, torch.from_numpy(weights).to(device))
    v_BT = vectors[torch.from_numpy(pairs.videos[rows].astype(np.int64)).to(device)]
    match: Tensor = head(x_BF, u_BT, v_BT)
    return match


@torch.no_grad()
def _validate(
    head: Head,
    validation: Examples,
    recency: NDArray[np.floating],
    vectors: Tensor | None,
    batch_size: int,
) -> float:
    """Mean log loss."""
    head.eval()
    total = 0.0
    for start in range(0, len(validation.labels), batch_size):
        rows = np.arange(start, min(start + batch_size, len(validation.labels)))
        logits = _logits(
            head, validation.features[rows], validation.pairs, rows, (vectors, recency)
        )
        labels = torch.from_numpy(validation.labels[rows].astype(np.float32)).to(logits.device)
        total += float(
            nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        )
    return total / max(1, len(validation.labels))
