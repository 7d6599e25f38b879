"""Training of networks that match: the next liked video against videos that others watched."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.devices import place
from kinoloop.models.base import Report, State
from kinoloop.models.matching.config import MatchingConfig
from kinoloop.models.matching.fused import Fused, Matched
from kinoloop.models.matching.positions import Positions
from kinoloop.models.warm_start import WarmStart


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


def train(
    make: Callable[[Positions], Fused],
    histories: Histories,
    catalogue: Catalogue,
    *,
    config: MatchingConfig,
    seed: int,
    watching: Watching,
) -> Matched:
    """Train and give the arrays to score with, those of the best epoch where `quality` tells.

    Args:
        make: Makes the network; torch is seeded by then.
        histories: What users did.
        catalogue: All videos, with their vectors.
        config: Hyper-parameters.
        seed: Of initial weights, order and negatives.
        watching: Who watches it.

    Raises:
        BundleError: The earlier training was of another network.
    """
    quality, report, warm = watching.quality, watching.report, watching.warm
    device, rng = place()[0], np.random.default_rng(seed)
    positions = Positions(histories, len(catalogue), config=config, warm=warm)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = make(positions).to(device)
        if warm is not None:
            network.go_on(warm, catalogue.ids)
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
            for batch in positions.epoch(rng):
                loss = network.loss(batch, positions.drawn(rng), positions)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
                optimizer.step()
                losses.append(loss.detach())
            report("loss", float(torch.stack(losses).mean()) if losses else 0.0, epoch)
            now = float(epoch) if quality is None else quality(network.arrays())
            if quality is not None:
                report("validation_ndcg@10", now, epoch)
            if now > best:
                best, kept, waited = now, network.kept()._replace(epoch=epoch), 0
            elif (waited := waited + 1) >= config.patience:
                break
    return kept
