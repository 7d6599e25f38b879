"""The network of concat-and-match: f_v from the modalities, M over [p_u; f_v].

Shapes: B positions, L history, V videos, D embedding, H hidden, S negatives.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kinoloop.data.catalogue import Modality
from kinoloop.models.base import State


class Matched(NamedTuple):
    """A network at one moment: arrays to score with, and what a later training goes on from."""

    arrays: State
    learned: State


class Matcher(nn.Module):
    """Embeds videos and matches them with profiles.

    Args:
        modalities: Of the catalogue.
        n_videos: Of the catalogue.
        dim: D.
        hidden: H.
    """

    def __init__(
        self, modalities: Mapping[str, Modality], n_videos: int, *, dim: int, hidden: int
    ) -> None:
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
        self.first = nn.Linear(2 * dim, hidden)
        self.second = nn.Linear(hidden, dim)

    def videos(self, index_V: Tensor) -> Tensor:
        """Vectors of some videos, (V, D); a missing modality adds nothing."""
        fused_VD = self.unseen.expand(len(index_V), -1)
        for at, project in enumerate(self.project):
            fused_VD = fused_VD + project(self.get_buffer(f"content_{at}")[index_V])
        return fused_VD

    def profile(self, fused_BLD: Tensor, weight_BL: Tensor) -> Tensor:
        """p_u, (B, D), of length 1."""
        return nn.functional.normalize((fused_BLD * weight_BL[..., None]).sum(dim=1), dim=1)

    def match(self, profile_BD: Tensor, fused_BVD: Tensor) -> Tensor:
        """cos(p_u, M([p_u; f_v])) for V videos of each position, (B, V).

        Videos that all positions share come as (1, V, D): their half of the first layer is then
        computed once and not for each position.
        """
        profile_HD, video_HD = self.first.weight.chunk(2, dim=1)
        asked_BH = nn.functional.linear(profile_BD, profile_HD, self.first.bias)
        offered_BVH = nn.functional.linear(fused_BVD, video_HD)
        answer_BVD = self.second(torch.relu(asked_BH[:, None] + offered_BVH))
        return (nn.functional.normalize(answer_BVD, dim=2) * profile_BD[:, None]).sum(dim=2)

    def kept(self) -> Matched:
        """Return what scoring needs, and every parameter by name for a later training."""
        learned = {n: p.detach().float().cpu().numpy().copy() for n, p in self.named_parameters()}
        return Matched(self.arrays(), learned)

    def arrays(self) -> State:
        """Return what scoring needs, in numpy: f of each video, and M (first layer in halves)."""
        with torch.no_grad():
            device = self.unseen.device
            videos = self.videos(torch.arange(self.n_videos, device=device))
            first_profile, first_video = self.first.weight.chunk(2, dim=1)
            parts: dict[str, Tensor] = {
                "videos": videos,
                "first_profile": first_profile,
                "first_video": first_video,
                "first_bias": self.first.bias,
                "second": self.second.weight,
                "second_bias": self.second.bias,
                "unseen": self.unseen,
            }
            for name, project in zip(self.names, self.project, strict=True):
                parts |= {f"project.{name}": values for values in project.parameters()}
            return {name: part.float().cpu().numpy().copy() for name, part in parts.items()}
