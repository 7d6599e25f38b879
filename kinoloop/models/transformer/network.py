"""The network of the sequence recommender: fused video vectors into a causal transformer.

A video is the sum of its modalities, each projected, gated by what it says and masked where it is
missing, and of an id embedding. In training the id is dropped at random and a learned "unknown"
vector takes its place, so that a video nobody has watched yet lives in the same space, and the
network learns how far to trust it. The backbone is GPT-2 of the transformers library, small and
from scratch.

Shapes: B rows, L positions, V videos of a call, D the embedding size, M that of a modality.

Source: Kang and McAuley, ICDM 2018 (SASRec: causal attention over videos, tied output vectors);
Volkovs et al., NeurIPS 2017 (DropoutNet: dropping what a cold video lacks).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

from kinoloop.data.catalogue import Modality
from kinoloop.models.transformer.context import GAPS, KINDS, SHARES

INITIAL_STD = 0.02  # of every embedding, as GPT-2


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_videos: Size of the catalogue.
        dim: Embedding size D.
        layers: Transformer blocks.
        heads: Attention heads a block.
        length: Longest history L.
        dropout: Share of activations dropped in training.
    """

    n_videos: int
    dim: int
    layers: int
    heads: int
    length: int
    dropout: float


class Network(nn.Module):
    """Embeds videos and reads histories.

    Args:
        shape: Sizes.
        modalities: Vectors of the catalogue by name; may be empty.
    """

    has_content: Tensor  # (n_videos,) bool, whether any modality is present

    def __init__(self, shape: Shape, modalities: Mapping[str, Modality]) -> None:
        super().__init__()
        self.shape = shape
        self.ids = nn.Embedding(shape.n_videos, shape.dim)
        self.unknown = nn.Parameter(torch.zeros(shape.dim))
        self.context = nn.Embedding(KINDS + SHARES + GAPS, shape.dim)
        nn.init.normal_(self.ids.weight, std=INITIAL_STD)
        nn.init.normal_(self.context.weight, std=INITIAL_STD)
        self.names = sorted(modalities)
        self.project = nn.ModuleDict()
        self.gate = nn.ModuleDict()
        for name in self.names:
            vectors, present = modalities[name].vectors, modalities[name].present
            self.register_buffer(f"vectors_{name}", torch.from_numpy(vectors), persistent=False)
            self.register_buffer(f"present_{name}", torch.from_numpy(present), persistent=False)
            projection = nn.Linear(vectors.shape[1], shape.dim)
            nn.init.normal_(projection.weight, std=INITIAL_STD)
            self.project[name] = projection
            self.gate[name] = nn.Linear(vectors.shape[1], 1)
        self.register_buffer("has_content", _has_content(shape, modalities), persistent=False)
        self.backbone = GPT2Model(_backbone(shape))

    def videos(self, video_V: Tensor, keep_id_V: Tensor) -> Tensor:
        """Fused vectors, (V, D).

        Args:
            video_V: Internal indices.
            keep_id_V: bool; False replaces the id by the learned "unknown" vector.
        """
        fused_VD = torch.where(keep_id_V[:, None], self.ids(video_V), self.unknown)
        for name in self.names:
            vectors_VM = getattr(self, f"vectors_{name}")[video_V]
            present_V1 = getattr(self, f"present_{name}")[video_V][:, None]
            gate_V1 = torch.sigmoid(self.gate[name](vectors_VM))
            fused_VD = fused_VD + present_V1 * gate_V1 * self.project[name](vectors_VM)
        return fused_VD

    def read(self, fused_BLD: Tensor, context_BLC: Tensor) -> Tensor:
        """Hidden states, (B, L, D); rows are padded at the end, which causality hides."""
        inputs_BLD = fused_BLD + self.context(context_BLC).sum(dim=2)
        hidden_BLD: Tensor = self.backbone(
            inputs_embeds=inputs_BLD, use_cache=False
        ).last_hidden_state
        return hidden_BLD

    @torch.no_grad()
    def catalogue_vectors(self, known: Tensor, *, chunk: int = 8192) -> Tensor:
        """Fused vectors of all videos, (n_videos, D) float32; ids where `known` (n_videos,)."""
        every = torch.arange(self.shape.n_videos, device=known.device)
        parts = zip(torch.split(every, chunk), torch.split(known, chunk), strict=True)
        return torch.cat([self.videos(video, keep) for video, keep in parts]).float()


def _backbone(shape: Shape) -> GPT2Config:
    return GPT2Config(
        vocab_size=1,  # inputs are embedded here
        n_positions=shape.length,
        n_embd=shape.dim,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=shape.dropout,
        embd_pdrop=shape.dropout,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one kernel
        attn_pdrop=0.0,  # keeps the fast attention kernel on CPU
        initializer_range=INITIAL_STD,
        bos_token_id=0,
        eos_token_id=0,
    )


def _has_content(shape: Shape, modalities: Mapping[str, Modality]) -> Tensor:
    present = np.zeros(shape.n_videos, dtype=bool)
    for modality in modalities.values():
        present |= modality.present
    return torch.from_numpy(present)
