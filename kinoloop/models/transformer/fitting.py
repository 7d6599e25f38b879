"""From histories to the arrays that serve: sets up the network, trains it, takes it out."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from kinoloop import __version__
from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.models.base import Report, State
from kinoloop.models.lexical import Lexicon
from kinoloop.models.transformer.aligning import align
from kinoloop.models.transformer.backbone import Backbone, Shape
from kinoloop.models.transformer.batches import Batches
from kinoloop.models.transformer.budget import steps_within
from kinoloop.models.transformer.checkpoints import Checkpoints
from kinoloop.models.transformer.config import SequenceConfig
from kinoloop.models.transformer.negatives import Negatives
from kinoloop.models.transformer.network import Network
from kinoloop.models.transformer.tokens import title_tokens
from kinoloop.models.transformer.training import Training, TrainingOptions
from kinoloop.models.transformer.warming import go_on, learned_of
from kinoloop.models.transformer.words import Words
from kinoloop.models.warm_start import WarmStart

STEPS_PER_EPOCH = 64  # at least, where there are enough positions
SMALLEST_BATCH = 32
CHUNK = 2**20  # events read at a time where all are counted


@dataclass(frozen=True)
class Watched:
    """Who watches a training.

    Attributes:
        quality: Validation NDCG@10 of the arrays that would be served, for early stopping.
        report: Receives metrics per epoch.
        checkpoints: Where to go on from and to write to.
        warm: The earlier training that this one goes on from; None starts anew.
    """

    quality: Callable[[State], float] | None
    report: Report
    checkpoints: Path | None
    warm: WarmStart | None = None


class FittedNetwork(NamedTuple):
    """A network after its training.

    Attributes:
        arrays: To serve with.
        epoch: That they are of; 0 where no epoch improved on the earlier training.
        learned: What a later training goes on from.
    """

    arrays: State
    epoch: int
    learned: State


def fit_network(
    config: SequenceConfig,
    histories: Histories,
    catalogue: Catalogue,
    words: Lexicon | None,
    *,
    seed: int,
    training: Watched,
) -> FittedNetwork:
    """Train a network: in this process, or as one of those that `torchrun` started.

    Args:
        config: Hyper-parameters.
        histories: What users did; may be memory-mapped.
        catalogue: All videos, with their vectors.
        words: Their words; None: without.
        seed: Of initial weights, order, dropout and negatives.
        training: Who watches it.

    Raises:
        BundleError: The earlier training was of another network.
    """
    from accelerate import Accelerator

    cuda, quality, warm = torch.cuda.is_available(), training.quality, training.warm
    accelerator = Accelerator(cpu=not cuda, mixed_precision="bf16" if cuda else "no")
    device = accelerator.device
    counts = count_videos(histories, len(catalogue))
    known = torch.from_numpy((counts > 0) & (config.id_dropout < 1)).to(device)
    positions = _positions(config, histories)
    batches = Batches(
        histories,
        length=config.length,
        positions=positions,
        most_steps=steps_within(config, positions=positions),
        asks=config.wanted > 0,
        learn=None
        if warm is None
        else lambda times: warm.replayed(times, np.random.default_rng(seed)),
    )
    options = _options(config, seed, warm)
    everything = config.loss == "softmax"
    negatives = Negatives(
        counts,
        number=None if everything else config.negatives,
        popularity=config.negative_popularity,
        softmax=config.loss in ("softmax", "sampled_softmax"),
    )
    forked = torch.random.fork_rng(devices=[device] if cuda else [])
    with forked, _threads(config.cpu_threads):
        torch.manual_seed(seed)
        shape = _shape(config, catalogue)
        backbone = Backbone(shape, config.backbone, steps=batches.steps * options.epochs)
        network = Network(
            shape,
            catalogue.modalities,
            None if words is None else words.matrix,
            backbone=backbone,
            tokens=_tokens(config, catalogue, backbone),
        ).to(device)
        align(network)
        names = [] if words is None else words.names
        if warm is not None:
            go_on(network, warm, ids=catalogue.ids, words=names)
        epoch = Training(network, batches, negatives, options=options, accelerator=accelerator).run(
            quality=None if quality is None else lambda now: quality(_arrays(now, known)),
            report=training.report,
            checkpoints=None
            if training.checkpoints is None
            else Checkpoints(
                training.checkpoints, _digest(config, seed, histories, catalogue, warm)
            ),
            first_look=warm is not None,
        )
    return FittedNetwork(_arrays(network, known), epoch, learned_of(network, known, names))


def count_videos(histories: Histories, n_videos: int) -> NDArray[np.int64]:
    """Events of each video, (n_videos,); reads a part of the events at a time."""
    counts = np.zeros(n_videos, dtype=np.int64)
    for start in range(0, len(histories.videos), CHUNK):
        counts += np.bincount(histories.videos[start : start + CHUNK], minlength=n_videos)
    return counts


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


def _positions(config: SequenceConfig, histories: Histories) -> int:
    """Positions per step: fewer where data is small, so that an epoch still has its steps."""
    pairs = int(np.maximum(histories.lengths - 1, 0).sum())
    return min(config.batch_positions, max(SMALLEST_BATCH, pairs // STEPS_PER_EPOCH))


def _tokens(config: SequenceConfig, catalogue: Catalogue, backbone: Backbone) -> Words | None:
    """Titles in the checkpoint's word vectors, whose table then is no longer needed."""
    if not backbone.word_vectors:
        return None
    (table,) = backbone.word_vectors
    backbone.word_vectors = ()
    return title_tokens(catalogue.videos, config.backbone, table, most=config.read_tokens)


def _shape(config: SequenceConfig, catalogue: Catalogue) -> Shape:
    return Shape(
        n_videos=len(catalogue),
        dim=config.dim,
        layers=config.layers,
        heads=config.heads,
        length=config.length,
        dropout=config.dropout,
        in_words=config.read_tokens > 0,
        asks=config.wanted > 0,
    )


def _options(config: SequenceConfig, seed: int, warm: WarmStart | None) -> TrainingOptions:
    rate = 1.0 if warm is None else warm.rate
    return TrainingOptions(
        epochs=config.epochs if warm is None else warm.fewer(config.epochs),
        patience=config.patience,
        learning_rate=rate * config.learning_rate,
        backbone_learning_rate=rate * config.backbone.learning_rate,
        warmup_share=config.warmup_share,
        weight_decay=config.weight_decay,
        id_dropout=config.id_dropout,
        loss=config.loss,
        gbce_calibration=config.gbce_calibration,
        accumulate=config.accumulate,
        optimizer=config.optimizer,
        wanted=config.wanted,
        compile=config.compile,
        seed=seed,
    )


def _arrays(network: Network, known: torch.Tensor) -> State:
    """Return what inference needs, in numpy: all video and context vectors, and the backbone."""
    items = network.catalogue_vectors(known).cpu().numpy()
    context = network.context.weight.detach().float().cpu().numpy().copy()
    asks = {} if network.asks is None else network.asks.state_dict()
    found = {f"asks.{n}": value.float().cpu().numpy().copy() for n, value in asks.items()}
    if network.tokens is None:  # else titles of new videos would need the tokenizer
        found |= network.content_arrays()
    return {"items": items, "context": context, **found, **network.backbone.arrays()}


def _digest(
    config: SequenceConfig,
    seed: int,
    histories: Histories,
    catalogue: Catalogue,
    warm: WarmStart | None,
) -> str:
    """Of all that a training depends on, so that no checkpoint of another is taken up."""
    settings = (
        f"{__version__} {config.model_dump_json()} {seed} {len(catalogue)} {catalogue.fingerprints}"
    )
    if warm is not None:
        settings += f" {warm.identity} {warm.replay} {warm.rate} {warm.epochs}"
    found = hashlib.blake2b(settings.encode(), digest_size=16)
    found.update("\n".join(catalogue.videos["title"].fill_null("")).encode())
    for array in (histories.offsets, histories.videos, histories.weights, histories.timestamps):
        for start in range(0, len(array), CHUNK):
            found.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    return found.hexdigest()
