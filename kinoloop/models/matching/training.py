"""Training of concat-and-match: the next liked video against videos that others watched.

The loss of a position is −log of the softmax of its cosines over temperature, the positive against
negatives that the whole step shares; a negative that is the positive is taken out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.devices import place
from kinoloop.models.base import Report, State
from kinoloop.models.matching.config import ConcatMatchConfig
from kinoloop.models.matching.network import Matched, Matcher
from kinoloop.models.warm_start import WarmStart


class Positions(NamedTuple):
    """Histories with their next video: (B, L) videos and weights, (B,) targets."""

    videos: NDArray[np.int64]
    weights: NDArray[np.float32]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class Watching:
    """Who watches a training.

    Attributes:
        quality: Validation NDCG@10 of some arrays; None trains all epochs.
        report: Receives `loss` and `validation_ndcg@10` per epoch.
        warm: The earlier training that this one goes on from; None starts anew.
    """

    quality: Callable[[State], float] | None
    report: Report
    warm: WarmStart | None = None


def train_matcher(
    config: ConcatMatchConfig,
    histories: Histories,
    catalogue: Catalogue,
    *,
    seed: int,
    watching: Watching,
) -> Matched:
    """Train and give the arrays to score with, those of the best epoch where `quality` tells.

    Args:
        config: Hyper-parameters.
        histories: What users did.
        catalogue: All videos, with their vectors.
        seed: Of initial weights, order and negatives.
        watching: Who watches it.

    Raises:
        BundleError: The earlier training was of another network.
    """
    quality, report, warm = watching.quality, watching.report, watching.warm
    device, rng = place()[0], np.random.default_rng(seed)
    counts = np.bincount(histories.videos, minlength=len(catalogue)).astype(np.float64)
    chances = np.cumsum(np.where(counts > 0, counts**config.negative_popularity, 0.0))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = Matcher(
            catalogue.modalities, len(catalogue), dim=config.dim, hidden=config.hidden
        ).to(device)
        if warm is not None:
            for name, parameter in network.named_parameters():
                value = torch.from_numpy(warm.array(name, tuple(parameter.shape)))
                parameter.data.copy_(value)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate * (1.0 if warm is None else warm.rate),
            weight_decay=config.weight_decay,
        )
        best, kept, waited = -1.0, network.kept(), 0
        if warm is not None and quality is not None:
            best = quality(kept.arrays)
            report("validation_ndcg@10", best, 0)
        for epoch in range(1, (config.epochs if warm is None else warm.fewer(config.epochs)) + 1):
            losses = []
            for batch in _epoch(histories, config, rng, warm):
                drawn = np.searchsorted(chances, rng.random(config.negatives) * chances[-1])
                loss = _loss(network, batch, drawn, config.temperature)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
                optimizer.step()
                losses.append(loss.detach())
            report("loss", float(torch.stack(losses).mean()) if losses else 0.0, epoch)
            now = float(epoch) if quality is None else quality(network.arrays())
            if quality is not None:
                report("validation_ndcg@10", now, epoch)
            if now > best:
                best, kept, waited = now, network.kept(), 0
            elif (waited := waited + 1) >= config.patience:
                break
    return kept


def _epoch(
    histories: Histories,
    config: ConcatMatchConfig,
    rng: np.random.Generator,
    warm: WarmStart | None,
) -> Iterator[Positions]:
    """Batches of positions in random order: liked videos that have something before them."""
    after_first = np.arange(len(histories.videos)) > histories.offsets[:-1][histories.row_of]
    positions = np.flatnonzero(after_first & (histories.weights > 0))
    if warm is not None:
        positions = positions[warm.replayed(histories.timestamps[positions], rng)]
    picked = rng.permutation(positions)[: config.max_positions]
    begins = histories.offsets[:-1][histories.row_of]
    steps = np.arange(1, config.length + 1)
    recency = np.power(config.decay, steps - 1).astype(np.float32)
    for start in range(0, len(picked), config.batch_size):
        at = picked[start : start + config.batch_size]
        before = at[:, None] - steps
        real = before >= begins[at][:, None]
        before = np.where(real, before, 0)
        yield Positions(
            histories.videos[before].astype(np.int64),
            np.where(real, histories.weights[before] * recency, 0).astype(np.float32),
            histories.videos[at].astype(np.int64),
        )


def _loss(
    network: Matcher, batch: Positions, drawn: NDArray[np.int64], temperature: float
) -> Tensor:
    device = network.unseen.device
    unique, where = np.unique(
        np.concatenate([batch.videos.ravel(), batch.targets, drawn]), return_inverse=True
    )
    fused_VD = network.videos(torch.from_numpy(unique).to(device))
    ends = np.cumsum([batch.videos.size, len(batch.targets)])
    history, targets, others = (torch.from_numpy(part).to(device) for part in np.split(where, ends))
    fused_BLD = fused_VD[history].view(*batch.videos.shape, -1)
    profile_BD = network.profile(fused_BLD, torch.from_numpy(batch.weights).to(device))
    positive_B = network.match(profile_BD, fused_VD[targets][:, None])
    negative_BS = network.match(profile_BD, fused_VD[others][None])
    negative_BS = negative_BS.masked_fill(targets[:, None] == others, float("-inf"))
    logits_BK = torch.cat([positive_B, negative_BS], dim=1) / temperature
    return -torch.log_softmax(logits_BK, dim=1)[:, 0].mean()
