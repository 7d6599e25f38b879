"""From histories to the arrays that serve: sets up the network, trains it, takes it out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import Report, State
from kinoloop.models.transformer.batches import Batches
from kinoloop.models.transformer.network import Network, Shape
from kinoloop.models.transformer.training import Negatives, Plan, train

if TYPE_CHECKING:
    from kinoloop.models.sequence import SequenceConfig

STEPS_AN_EPOCH = 64  # at least, where there are enough positions
SMALLEST_BATCH = 32


def fit_network(
    config: "SequenceConfig",
    histories: Histories,
    catalogue: Catalogue,
    *,
    seed: int,
    quality: Callable[[State], float] | None,
    report: Report,
) -> tuple[State, int]:
    """Train a network.

    Args:
        config: Hyper-parameters.
        histories: What users did.
        catalogue: All videos, with their vectors.
        seed: Of initial weights, order, dropout and negatives.
        quality: Validation NDCG@10 of the arrays that would be served, for early stopping.
        report: Receives metrics per epoch.

    Returns:
        The arrays to serve with, and the epoch that they are of.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts = np.bincount(histories.videos, minlength=len(catalogue))
    plan = Plan(
        epochs=config.epochs,
        patience=config.patience,
        learning_rate=config.learning_rate,
        warmup_share=config.warmup_share,
        weight_decay=config.weight_decay,
        negatives=config.negatives,
        negative_popularity=config.negative_popularity,
        id_dropout=config.id_dropout,
        seed=seed,
    )
    known = torch.from_numpy((counts > 0) & (config.id_dropout < 1)).to(device)
    batches = Batches(histories, length=config.length, positions=_positions(config, histories))
    forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with forked, _threads(config.cpu_threads):
        torch.manual_seed(seed)
        network = Network(_shape(config, catalogue), catalogue.modalities).to(device)
        epoch = train(
            network,
            batches,
            Negatives(counts, plan),
            plan,
            quality=None if quality is None else lambda now: quality(_arrays(now, known)),
            report=report,
        )
    return _arrays(network, known), epoch


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Limit torch's threads on the CPU.

    A step of 64 dimensions is too small to share, and threads that wait spin: on two busy cores an
    epoch of the sample took 125 s with two threads and 3 CPU seconds with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _positions(config: "SequenceConfig", histories: Histories) -> int:
    """Positions a batch: smaller where data is small, so that an epoch still has its steps."""
    pairs = int(np.maximum(histories.lengths - 1, 0).sum())
    return min(config.batch_positions, max(SMALLEST_BATCH, pairs // STEPS_AN_EPOCH))


def _shape(config: "SequenceConfig", catalogue: Catalogue) -> Shape:
    return Shape(
        n_videos=len(catalogue),
        dim=config.dim,
        layers=config.layers,
        heads=config.heads,
        length=config.length,
        dropout=config.dropout,
    )


def _arrays(network: Network, known: torch.Tensor) -> State:
    """What inference needs, in numpy: vectors of all videos, context vectors, the backbone."""
    backbone = network.backbone.state_dict()
    arrays = {
        f"backbone.{name}": value.detach().float().cpu().numpy().copy()
        for name, value in backbone.items()
        if not name.startswith("wte.")
    }
    items = network.catalogue_vectors(known).cpu().numpy()
    context = network.context.weight.detach().float().cpu().numpy().copy()
    return {"items": items, "context": context, **arrays}
