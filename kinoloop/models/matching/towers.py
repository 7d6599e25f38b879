"""The network of the two towers: one reads a history, the other a video; a product compares them.

f_v is the sum of the projected modalities and of an id vector. In training the id is dropped at
random where there is content, and the vector of an unknown id takes its place, so that a video
nobody has watched yet lives in the same space. Each of these starts with a length of about 1, and
each tower as the identity: x → x + W₂ relu(W₁ x).

Shapes: B positions, L history, V videos, D embedding, H hidden.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.ids import IdMap
from kinoloop.models.base import State
from kinoloop.models.matching.config import TwoTowerConfig
from kinoloop.models.matching.fused import Fused, array_of
from kinoloop.models.matching.positions import Batch, Positions
from kinoloop.models.transformer.losses import Compared, softmax_loss
from kinoloop.models.warm_start import WarmStart

IDS = "ids.weight"


class Tower(nn.Module):
    """Two layers over a residual, and a result of length 1.

    Args:
        dim: D.
        hidden: H.
        dropout: Share of hidden units.
    """

    def __init__(self, dim: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x_ND: Tensor) -> Tensor:
        """(N, D) of any length to (N, D) of length 1."""
        unit_ND = nn.functional.normalize(x_ND, dim=1)
        answer_ND = self.second(self.dropout(torch.relu(self.first(unit_ND))))
        return nn.functional.normalize(unit_ND + answer_ND, dim=1)

    def arrays(self, prefix: str) -> State:
        """Weights in numpy."""
        return {f"{prefix}.{name}": array_of(value) for name, value in self.named_parameters()}


class Towers(Fused):
    """Embeds videos by content and id, and compares them with histories.

    Args:
        catalogue: All videos.
        watched: (n_videos,) bool, videos whose id is learned.
        config: Sizes.
    """

    has_content: Tensor
    watched: Tensor

    def __init__(
        self, catalogue: Catalogue, watched: NDArray[np.bool_], *, config: TwoTowerConfig
    ) -> None:
        n_videos, dim = len(catalogue), config.dim
        super().__init__(catalogue.modalities, n_videos, dim=dim)
        self.config = config
        for weight in self.project.parameters():
            nn.init.normal_(weight, std=dim**-0.5)
        self.ids = nn.Embedding(n_videos, dim)
        nn.init.normal_(self.ids.weight, std=dim**-0.5)
        self.history = Tower(dim, config.hidden, dropout=config.dropout)
        self.video = Tower(dim, config.hidden, dropout=config.dropout)
        present = [modality.present for modality in catalogue.modalities.values()]
        has_content = np.any(present, axis=0) if present else np.zeros(n_videos, dtype=np.bool_)
        self.register_buffer("has_content", torch.from_numpy(np.asarray(has_content)))
        self.register_buffer("watched", torch.from_numpy(watched))

    def videos(self, index_V: Tensor) -> Tensor:
        """Vectors of some videos, (V, D), by content and by id where that was learned."""
        return self._by(index_V, self.watched[index_V])

    def _by(self, index_V: Tensor, named_V: Tensor) -> Tensor:
        id_VD = torch.where(named_V[:, None], self.ids(index_V), self.unseen)
        return self.content(index_V) + id_VD

    def loss(self, batch: Batch, drawn: NDArray[np.int64], positions: Positions) -> Tensor:
        """Compare by softmax with targets and draws of the step, corrected by log Q."""
        device, n_targets = self.unseen.device, len(batch.targets)
        compared, times = np.unique(np.concatenate([batch.targets, drawn]), return_counts=True)
        unique, where = np.unique(
            np.concatenate([batch.videos.ravel(), batch.targets, compared]), return_inverse=True
        )
        ends = np.cumsum([batch.videos.size, n_targets])
        history, targets, others = (
            torch.from_numpy(part).to(device) for part in np.split(where, ends)
        )
        index_V = torch.from_numpy(unique).to(device)
        kept_V = torch.rand(len(unique), device=device) >= self.config.id_dropout
        named_V = self.watched[index_V] & (kept_V | ~self.has_content[index_V])
        fused_VD = self._by(index_V, named_V)
        fused_BLD = fused_VD[history].view(*batch.videos.shape, -1)
        profile_BD = self.profile(fused_BLD, torch.from_numpy(batch.weights).to(device))
        asked_BD = self.history(profile_BD) / self.config.temperature
        correction = positions.log_expected(compared, n_targets) - np.log(times)
        rows = torch.arange(n_targets, device=device)
        itself = np.searchsorted(compared, batch.targets)  # each target is compared with
        return softmax_loss(
            asked_BD,
            self.video(fused_VD),
            Compared(
                positive_T=targets,
                negative_S=others,
                correction_S=torch.from_numpy(correction.astype(np.float32)).to(device),
                clash=(rows, torch.from_numpy(itself).to(device)),
            ),
            torch.full((n_targets,), 1 / n_targets, device=device),
        )

    def learned(self) -> State:
        """Return every parameter by name; an id that was not learned is the unknown one."""
        found = super().learned()
        found[IDS][~self.watched.cpu().numpy()] = found["unseen"]
        return found

    @torch.no_grad()
    def go_on(self, warm: WarmStart, ids: IdMap) -> None:
        """Take up what an earlier training left; an id vector belongs to a video, not a place."""
        for name, parameter in self.named_parameters():
            if name != IDS:
                parameter.copy_(torch.from_numpy(warm.array(name, tuple(parameter.shape))))
        rows, known = warm.places(ids), warm.array(IDS)
        self.ids.weight.copy_(self.unseen.expand_as(self.ids.weight))
        found = np.flatnonzero(rows >= 0)
        self.ids.weight[torch.from_numpy(found)] = torch.from_numpy(known[rows[found]]).to(
            self.unseen.device
        )

    @torch.no_grad()
    def arrays(self) -> State:
        """Return what scoring needs, in numpy: f of each video, its id's part, and the towers."""
        own = torch.where(self.watched[:, None], self.ids.weight, self.unseen)
        return {
            **super().arrays(),
            "ids": array_of(own),
            **self.history.arrays("history"),
            **self.video.arrays("video"),
        }
