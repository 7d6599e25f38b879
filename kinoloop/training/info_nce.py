"""Contrastive pretraining of the fusion: a video's own modalities agree, those of others do not.

For each two modalities, the videos of a batch that have both are told apart by one another's
projections, in both directions (symmetric InfoNCE at a fixed temperature); a modality that a video
lacks is masked. A held-out part of the videos says when to stop and which epoch is kept; the
projections begin as random ones, which keep cosines about as they are, so that stopping at once
loses little. On one thread of the CPU: the same vectors, settings and seed give the same bytes.

Shapes: B videos of a batch, M length of a modality's vectors, D of the joint vector.

Source: van den Oord et al., 2018 (InfoNCE); Radford et al., ICML 2021 (symmetric, between two
modalities); Loshchilov & Hutter, ICLR 2019 (AdamW).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from kinoloop.data.joint import Joint

if TYPE_CHECKING:
    from kinoloop.data.catalogue import Modality
    from kinoloop.training.contrastive import ContrastiveConfig

logger = logging.getLogger(__name__)

FEWEST = 2  # videos of a batch that can be told apart


class Said(NamedTuple):
    """What one modality says of a batch.

    Attributes:
        joint_BD: Projected, of length 1.
        present_B: Which videos have it.
    """

    joint_BD: Tensor
    present_B: Tensor


class Projections(nn.Module):
    """Projects modalities into one space.

    Args:
        modalities: Of the catalogue.
        means: (M,) by modality.
        dim: D.
    """

    def __init__(
        self,
        modalities: "Mapping[str, Modality]",
        means: Mapping[str, NDArray[np.float32]],
        *,
        dim: int,
    ) -> None:
        super().__init__()
        self._modalities, self._means = modalities, means
        self.project = nn.ModuleDict(
            {name: nn.Linear(len(mean), dim, bias=False) for name, mean in means.items()}
        )

    def forward(self, rows: NDArray[np.intp]) -> list[Said]:
        """Say what each modality tells of some videos."""
        found = []
        for name, modality in self._modalities.items():
            centred = torch.from_numpy(modality.vectors[rows] - self._means[name])
            present = torch.from_numpy(np.asarray(modality.present[rows]))
            found.append(Said(normalize(self.project[name](centred), dim=1), present))
        return found

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Copy the projections, (D, M) by modality."""
        named = self.project.named_parameters()
        return {name.removesuffix(".weight"): p.detach().numpy().copy() for name, p in named}


def train(
    modalities: "Mapping[str, Modality]",
    parts: tuple[NDArray[np.intp], NDArray[np.intp]],
    config: "ContrastiveConfig",
) -> Joint:
    """Learn the projections.

    Args:
        modalities: With vectors, by name.
        parts: Positions of the videos that are learned, and of those that say when to stop.
        config: Settings.
    """
    taught, watched = parts
    means = {name: _mean(modality, taught) for name, modality in modalities.items()}
    with _alone(config.seed):
        network = Projections(modalities, means, dim=config.dim)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        rng = np.random.default_rng(config.seed)
        losses, kept = [_held_out(network, watched, config)], network.weights()
        for _ in range(config.epochs):
            for rows in _batches(rng.permutation(taught), config.batch_size):
                optimizer.zero_grad()
                loss = info_nce(network(rows), config.temperature)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
                optimizer.step()
            losses.append(_held_out(network, watched, config))
            if losses[-1] == min(losses):
                kept = network.weights()
            if len(losses) - 1 - int(np.argmin(losses)) >= config.patience:
                break
    best = int(np.argmin(losses))
    logger.info(
        "joint vector: held-out loss %.3f after epoch %d of %d, %.3f before",
        *(losses[best], best, len(losses) - 1, losses[0]),
    )
    return Joint(
        weights=kept,
        means=means,
        reads={name: modality.fingerprint for name, modality in modalities.items()},
        measured={
            "held_out_loss": losses[best],
            "held_out_loss_before": losses[0],
            "epoch": float(best),
            "videos": float(len(taught)),
        },
    )


def info_nce(said: Sequence[Said], temperature: float) -> Tensor:
    """Mean over each two modalities, in both directions, of how unsure a video is of its own.

    Args:
        said: Of one batch, by modality.
        temperature: Of the cosines.

    Returns:
        (); 0 where no two modalities share two videos.
    """
    losses = []
    for one, other in combinations(said, 2):
        both = one.present_B & other.present_B
        if int(both.sum()) < FEWEST:
            continue
        cosines_BB = one.joint_BD[both] @ other.joint_BD[both].T / temperature
        own = torch.arange(len(cosines_BB))
        losses += [cross_entropy(cosines_BB, own), cross_entropy(cosines_BB.T, own)]
    if not losses:
        return sum((part.joint_BD.sum() for part in said), torch.zeros(())) * 0
    return torch.stack(losses).mean()


def _held_out(
    network: Projections, watched: NDArray[np.intp], config: "ContrastiveConfig"
) -> float:
    with torch.no_grad():
        found = [
            float(info_nce(network(rows), config.temperature))
            for rows in _batches(watched, config.batch_size)
        ]
    return float(np.mean(found))


def _batches(rows: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Cut into batches of about equal size, so that none is easy for being small."""
    yield from np.array_split(rows, max(1, round(len(rows) / size)))


def _mean(modality: "Modality", rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Mean of what is present, (M,); of all videos where none of `rows` has it."""
    here = rows[modality.present[rows]]
    vectors = modality.vectors[here if len(here) else modality.present]
    return np.asarray(vectors.mean(axis=0), dtype=np.float32)


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Draw from `seed` and add up in one order: one thread, and the callers' draws untouched."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
