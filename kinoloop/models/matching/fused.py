"""What networks that match share: the vector of a video, the profile of a history, what is kept.

Shapes: B positions, L history, V videos, D embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.data.catalogue import Modality
from kinoloop.data.ids import IdMap
from kinoloop.models.base import State
from kinoloop.models.matching.positions import Batch, Positions
from kinoloop.models.warm_start import WarmStart


class Matched(NamedTuple):
    """A network at one moment.

    Attributes:
        arrays: To score with.
        learned: What a later training goes on from.
        epoch: After which it was; 0 before the first.
    """

    arrays: State
    learned: State
    epoch: int = 0


class Fused(nn.Module, ABC):
    """Embeds videos by their content.

    Args:
        modalities: Of the catalogue.
        n_videos: Of the catalogue.
        dim: D.
    """

    def __init__(self, modalities: Mapping[str, Modality], n_videos: int, *, dim: int) -> None:
        super().__init__()
        self.names = list(modalities)
        self.project = nn.ModuleList(
            nn.Linear(modality.vectors.shape[1], dim, bias=False)
            for modality in modalities.values()
        )
        for at, modality in enumerate(modalities.values()):
            self.register_buffer(f"content_{at}", torch.from_numpy(modality.vectors.copy()))
        self.unseen = nn.Parameter(torch.zeros(dim))  # a video without any content
        self.n_videos = n_videos

    def videos(self, index_V: Tensor) -> Tensor:
        """Vectors of some videos, (V, D); a missing modality adds nothing."""
        return self.unseen.expand(len(index_V), -1) + self.content(index_V)

    def content(self, index_V: Tensor) -> Tensor:
        """Add up what the modalities of some videos say, (V, D)."""
        fused_VD = self.unseen.new_zeros((len(index_V), len(self.unseen)))
        for at, project in enumerate(self.project):
            fused_VD = fused_VD + project(self.get_buffer(f"content_{at}")[index_V])
        return fused_VD

    def profile(self, fused_BLD: Tensor, weight_BL: Tensor) -> Tensor:
        """p_u, (B, D), of length 1."""
        return nn.functional.normalize((fused_BLD * weight_BL[..., None]).sum(dim=1), dim=1)

    @abstractmethod
    def loss(self, batch: Batch, drawn: NDArray[np.int64], positions: Positions) -> Tensor:
        """Mean loss of a step, a scalar.

        Args:
            batch: Histories with their next video.
            drawn: (S,) negatives, maybe some of them twice.
            positions: That both come from.
        """

    @torch.no_grad()
    def go_on(self, warm: WarmStart, ids: IdMap) -> None:  # noqa: ARG002 (of networks with ids)
        """Take up what an earlier training left, in place.

        Args:
            warm: The earlier training.
            ids: Of the catalogue of now.

        Raises:
            BundleError: It was of another network.
        """
        for name, parameter in self.named_parameters():
            parameter.copy_(torch.from_numpy(warm.array(name, tuple(parameter.shape))))

    def kept(self) -> Matched:
        """Return what scoring needs, and every parameter by name for a later training."""
        return Matched(self.arrays(), self.learned())

    def learned(self) -> State:
        """Return every parameter by name."""
        return {name: array_of(parameter) for name, parameter in self.named_parameters()}

    @torch.no_grad()
    def arrays(self) -> State:
        """Return what scoring needs, in numpy: f of each video, and what makes that of new ones."""
        everything = torch.arange(self.n_videos, device=self.unseen.device)
        found = {"videos": array_of(self.videos(everything)), "unseen": array_of(self.unseen)}
        for name, project in zip(self.names, self.project, strict=True):
            found |= {f"project.{name}": array_of(values) for values in project.parameters()}
        return found


def array_of(values: Tensor) -> NDArray[np.float32]:
    """Copy to numpy, float32."""
    return values.detach().float().cpu().numpy().copy()
