"""The words of a video as a channel of its fused vector: a learned vector per word, summed.

A dense sentence vector blurs the hashtags and series names that tie short videos together. Here
every word and pair of words that videos share has a vector of its own, learned from what people
watched: a new episode stands where its series stands. Rare words learn from few videos, so a video
without events has less of this channel than it would have with them.

Shapes: V videos of a call, N their words in sum, D the embedding size.

Source: Joulin et al., EACL 2017 (bag of word and bigram vectors).
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    import scipy.sparse as sp


class Words(nn.Module):
    """Sums the vectors of each video's words, weighed by TF-IDF.

    Args:
        tfidf: (n_videos, n_words) sparse; the weights, such as TF-IDF in rows of length 1.
        dim: Embedding size D.
        std: Of the initial vectors.
        vectors: (n_words, D) to start from, such as those of a language model; None: at random.
        trained: Whether the vectors learn.
    """

    starts: Tensor  # (n_videos + 1,) int64, row by row as in a compressed matrix
    words: Tensor  # (n,) int64
    weights: Tensor  # (n,) float32

    def __init__(
        self,
        tfidf: "sp.csr_matrix",
        *,
        dim: int,
        std: float = 0.0,
        vectors: Tensor | None = None,
        trained: bool = True,
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(tfidf.shape[1], dim)
        if vectors is None:
            nn.init.normal_(self.vectors.weight, std=std)
        else:
            self.vectors.weight.data = vectors
        self.vectors.requires_grad_(requires_grad=trained)
        arrays = {"starts": tfidf.indptr, "words": tfidf.indices}
        for name, array in arrays.items():
            tensor = torch.from_numpy(array.astype(np.int64))
            self.register_buffer(name, tensor, persistent=False)
        weights = torch.from_numpy(tfidf.data.astype(np.float32))
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, video_V: Tensor) -> Tensor:
        """(V, D); zero where a video has no word."""
        first_V = self.starts[video_V]
        count_V = self.starts[video_V + 1] - first_V
        offset_V = count_V.cumsum(0) - count_V
        every_N = torch.arange(int(count_V.sum()), device=video_V.device)
        at_N = every_N + torch.repeat_interleave(first_V - offset_V, count_V)
        return embedding_bag(
            self.words[at_N],
            self.vectors.weight,
            offset_V,
            mode="sum",
            per_sample_weights=self.weights[at_N],
        )
