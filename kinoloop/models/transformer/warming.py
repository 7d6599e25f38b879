"""What a trained network leaves for a later one, and how a later one takes it up.

Everything that was trained is kept under its name in the network, adapters as they are; an id
vector belongs to a video and a word vector to a word, wherever they stand by then. A video that is
new, or that nobody had watched, starts from the vector that stands for an unknown id, which is
where it was scored from until then; a word that is new starts as in a training from scratch.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.data.ids import IdMap
from kinoloop.models.base import State
from kinoloop.models.transformer.network import Network
from kinoloop.models.warm_start import WarmStart

IDS, WORDS, KNOWN, TERMS = "ids.weight", "words.vectors.weight", "known", "terms"


def learned_of(network: Network, known: Tensor, words: Sequence[str]) -> State:
    """Return what was trained, by name; which videos had ids; and the words.

    Args:
        network: After its training.
        known: (n_videos,) bool, videos whose id is used.
        words: One per word vector.
    """
    found = {name: value.detach().float().cpu().numpy() for name, value in _trained(network)}
    listed = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    return {**found, KNOWN: known.cpu().numpy().astype(np.uint8), TERMS: listed}


@torch.no_grad()
def go_on(network: Network, warm: WarmStart, *, ids: IdMap, words: Sequence[str]) -> None:
    """Take up what an earlier training left, in place.

    Args:
        network: Fresh.
        warm: The earlier training.
        ids: Of the catalogue of now.
        words: Of the catalogue of now, one per word vector.

    Raises:
        BundleError: It was another network.
    """
    tables = {IDS, WORDS}
    for name, parameter in _trained(network):
        if name not in tables:
            parameter.copy_(torch.from_numpy(warm.array(name, tuple(parameter.shape))))
    rows = warm.places(ids)
    rows = np.where((rows >= 0) & (warm.array(KNOWN)[rows] > 0), rows, -1)
    network.ids.weight.copy_(network.unknown.expand_as(network.ids.weight))
    _copy_rows(network.ids.weight, warm.array(IDS), rows)
    if network.words is not None:
        terms = IdMap(warm.array(TERMS).tobytes().decode().split("\n"))
        _copy_rows(network.words.vectors.weight, warm.array(WORDS), terms.indices(words))


def _copy_rows(table: Tensor, values: np.ndarray, rows: np.ndarray) -> None:
    found = np.flatnonzero(rows >= 0)
    table[torch.from_numpy(found)] = torch.from_numpy(values[rows[found]]).to(table.device)


def _trained(network: Network) -> list[tuple[str, nn.Parameter]]:
    return [(n, p) for n, p in network.named_parameters() if p.requires_grad]
