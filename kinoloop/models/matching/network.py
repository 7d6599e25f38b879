"""The network of concat-and-match: f_v from the modalities, M over [p_u; f_v].

Shapes: B positions, L history, V videos, D embedding, H hidden, S negatives.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.data.catalogue import Modality
from kinoloop.models.base import State
from kinoloop.models.matching.fused import Fused, array_of
from kinoloop.models.matching.positions import Batch, Positions


class Matcher(Fused):
    """Embeds videos and matches them with profiles.

    Args:
        modalities: Of the catalogue.
        n_videos: Of the catalogue.
        dim: D.
        hidden: H.
        temperature: Cosines are divided by it in the loss.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        n_videos: int,
        *,
        dim: int,
        hidden: int,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(modalities, n_videos, dim=dim)
        self.temperature = temperature
        self.first = nn.Linear(2 * dim, hidden)
        self.second = nn.Linear(hidden, dim)

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

    def loss(self, batch: Batch, drawn: NDArray[np.int64], positions: Positions) -> Tensor:  # noqa: ARG002 (of other networks)
        """−log of the softmax of the target's cosine over temperature, against what was drawn.

        All positions share the negatives; one that is the target is taken out.
        """
        device = self.unseen.device
        unique, where = np.unique(
            np.concatenate([batch.videos.ravel(), batch.targets, drawn]), return_inverse=True
        )
        fused_VD = self.videos(torch.from_numpy(unique).to(device))
        ends = np.cumsum([batch.videos.size, len(batch.targets)])
        history, targets, others = (
            torch.from_numpy(part).to(device) for part in np.split(where, ends)
        )
        fused_BLD = fused_VD[history].view(*batch.videos.shape, -1)
        profile_BD = self.profile(fused_BLD, torch.from_numpy(batch.weights).to(device))
        positive_B = self.match(profile_BD, fused_VD[targets][:, None])
        negative_BS = self.match(profile_BD, fused_VD[others][None])
        negative_BS = negative_BS.masked_fill(targets[:, None] == others, float("-inf"))
        logits_BK = torch.cat([positive_B, negative_BS], dim=1) / self.temperature
        return -torch.log_softmax(logits_BK, dim=1)[:, 0].mean()

    @torch.no_grad()
    def arrays(self) -> State:
        """Return what scoring needs, in numpy: f of each video, and M (first layer in halves)."""
        first_profile, first_video = self.first.weight.chunk(2, dim=1)
        return {
            **super().arrays(),
            "first_profile": array_of(first_profile),
            "first_video": array_of(first_video),
            "first_bias": array_of(self.first.bias),
            "second": array_of(self.second.weight),
            "second_bias": array_of(self.second.bias),
        }
