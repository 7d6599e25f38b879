"""The network of the sequence recommender: fused video vectors into a causal transformer.

A video is the sum of its modalities, each projected, gated by what it says and masked where it is
missing, of its words (`words.py`), and of an id embedding. In training the id is dropped at random
and a learned "unknown" vector takes its place, so that a video nobody has watched yet lives in the
same space, and the network learns how far to trust it.

Shapes: P packed positions, T targets, V videos of a call, D the embedding size, M that of a
modality, C classes of context per event.

Source: Kang and McAuley, ICDM 2018 (SASRec: causal attention over videos, tied output vectors);
Volkovs et al., NeurIPS 2017 (DropoutNet: dropping what a cold video lacks).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.models.transformer.asking import Asks
from kinoloop.models.transformer.attention import Runs
from kinoloop.models.transformer.backbone import INITIAL_STD, Backbone, Shape
from kinoloop.models.transformer.context import GAPS, KINDS, SHARES
from kinoloop.models.transformer.words import Words

if TYPE_CHECKING:
    import scipy.sparse as sp

    from kinoloop.data.catalogue import Modality


@dataclass(frozen=True)
class Step:
    """Input of one pass, on the device.

    Attributes:
        video_V: Internal indices of all videos of the step.
        keep_V: bool; False replaces the id by the learned "unknown" vector.
        input_P: Places of the watched videos in `video_V`.
        context_PC: Classes, see `context_classes`.
        position_P: Place of each event in its window.
        at_T: Positions that have a target.
        asked_at_A: Positions that are asked whether a video would be wanted.
        asked_A: Places of those videos in `video_V`.
        runs: The windows, see `packed_attention`.
    """

    video_V: Tensor
    keep_V: Tensor
    input_P: Tensor
    context_PC: Tensor
    position_P: Tensor
    at_T: Tensor
    asked_at_A: Tensor
    asked_A: Tensor
    runs: Runs


class Network(nn.Module):
    """Embeds videos and reads histories.

    Args:
        shape: Sizes.
        modalities: Vectors of the catalogue by name; may be empty.
        tfidf: Words of the catalogue, (n_videos, n_words) sparse; None: without.
        backbone: The transformer.
        tokens: Titles in the word vectors of a pretrained backbone; None: not read.
    """

    has_content: Tensor  # (n_videos,) bool, whether any modality is present

    def __init__(
        self,
        shape: Shape,
        modalities: "Mapping[str, Modality]",
        tfidf: "sp.csr_matrix | None",
        *,
        backbone: Backbone,
        tokens: Words | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.ids = nn.Embedding(shape.n_videos, shape.dim)
        self.unknown = nn.Parameter(torch.zeros(shape.dim))
        self.context = nn.Embedding(KINDS + SHARES + GAPS, shape.dim)
        std = INITIAL_STD if tokens is None else 0.0  # else it starts as the model reads words
        nn.init.normal_(self.ids.weight, std=std)
        nn.init.normal_(self.context.weight, std=std)
        self.names = sorted(modalities)
        self.project = nn.ModuleDict()
        for name in self.names:
            vectors, present = modalities[name].vectors, modalities[name].present
            self.register_buffer(f"vectors_{name}", torch.from_numpy(vectors), persistent=False)
            self.register_buffer(f"present_{name}", torch.from_numpy(present), persistent=False)
            projection = nn.Linear(vectors.shape[1], shape.dim + 1)  # the last one is the gate
            nn.init.normal_(projection.weight, std=std)
            if tokens is not None:
                nn.init.zeros_(projection.bias)
            self.project[name] = projection
        has_content = _has_content(shape, modalities, tfidf)
        self.register_buffer("has_content", has_content, persistent=False)
        self.words = None if tfidf is None else Words(tfidf, dim=shape.dim, std=std)
        self.tokens = tokens
        self.asks = Asks(shape.dim) if shape.asks else None
        self.backbone = backbone

    def forward(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states where there is a target, and the step's videos; what is asked.

        Returns:
            (T, D), (V, D), and logits of what is asked, (A,).
        """
        fused_VD = self.videos(step.video_V, step.keep_V | ~self.has_content[step.video_V])
        inputs_PD = fused_VD[step.input_P] + self.context(step.context_PC).sum(dim=1)
        hidden_PD = self.backbone(inputs_PD, step.position_P, step.runs)
        asked_A = hidden_PD.new_zeros(0)
        if self.asks is not None:
            asked_A = self.asks(hidden_PD[step.asked_at_A], fused_VD[step.asked_A])
        return hidden_PD[step.at_T], fused_VD, asked_A

    def videos(self, video_V: Tensor, keep_V: Tensor) -> Tensor:
        """Fused vectors, (V, D); see `Step`."""
        fused_VD = torch.where(keep_V[:, None], self.ids(video_V), self.unknown)
        for name in self.names:
            vectors_VM = getattr(self, f"vectors_{name}")[video_V]
            present_V1 = getattr(self, f"present_{name}")[video_V][:, None]
            said_VD, gate_V1 = self.project[name](vectors_VM).split([self.shape.dim, 1], dim=1)
            fused_VD = fused_VD + present_V1 * torch.sigmoid(gate_V1) * said_VD
        if self.words is not None:
            fused_VD = fused_VD + self.words(video_V)
        if self.tokens is not None:
            fused_VD = fused_VD + self.tokens(video_V)
        return fused_VD

    @torch.no_grad()
    def content_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return, in numpy, what makes a vector out of a video's content: see `content.py`."""
        parts: dict[str, Tensor] = {"content.unknown": self.unknown}
        for name in self.names:
            for part, values in self.project[name].named_parameters():
                parts[f"content.{name}.{part}"] = values
        if self.words is not None:
            parts["content.words"] = self.words.vectors.weight
        return {name: part.detach().float().cpu().numpy().copy() for name, part in parts.items()}

    @torch.no_grad()
    def catalogue_vectors(self, known: Tensor, *, chunk: int = 8192) -> Tensor:
        """Fused vectors of all videos, (n_videos, D) float32; ids where `known` (n_videos,)."""
        every = torch.arange(self.shape.n_videos, device=known.device)
        parts = zip(torch.split(every, chunk), torch.split(known, chunk), strict=True)
        return torch.cat([self.videos(video, keep) for video, keep in parts]).float()


def _has_content(
    shape: Shape, modalities: "Mapping[str, Modality]", tfidf: "sp.csr_matrix | None"
) -> Tensor:
    present = np.zeros(shape.n_videos, dtype=bool)
    if tfidf is not None:
        present |= np.diff(tfidf.indptr) > 0
    for modality in modalities.values():
        present |= modality.present
    return torch.from_numpy(present)
