"""How alike two videos are for diversity: what they hold, what they are about, who made them.

Each of the three is a product of vectors of length 1 (0 where a video has none), so that the
weighted mean is one, too, and the matrix of a head is positive semi-definite, as a DPP needs it.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.fusion import FusionConfig, centre
from kinoloop.policy.columns import Words
from kinoloop.policy.filters import VideoFilters
from kinoloop.settings import Config


class LikenessConfig(Config):
    """What makes two videos alike, for `mmr` and `dpp`."""

    content: float = Field(0.5, ge=0, description="Weight of the fused vectors, centred.")
    labels: float = Field(0.3, ge=0, description="Weight of the values of `columns` in common.")
    creator: float = Field(0.2, ge=0, description="Weight of one creator.")
    columns: list[str] = Field(
        ["category", "tags", "labels"], description="Columns that say what a video is about."
    )


class Likeness:
    """Compares videos of a catalogue.

    Args:
        config: What counts.
        catalogue: The videos.
        columns: Of the catalogue.
        fusion: Weights of the modalities.
    """

    def __init__(
        self,
        config: LikenessConfig,
        catalogue: Catalogue,
        columns: VideoFilters,
        fusion: FusionConfig,
    ) -> None:
        self._total = max(config.content + config.labels + config.creator, 1e-12)
        self._config = config
        self._parts = [
            (modality, np.float32(np.sqrt(fusion.of(name))), modality.centred or centre(modality))
            for name, modality in sorted(catalogue.modalities.items())
            if config.content and fusion.of(name)
        ]
        found = [columns.column(name) for name in config.columns] if config.labels else []
        words = [column for column in found if isinstance(column, Words)]
        self._labels = normalised(words, len(catalogue)) if words else None
        creator = columns.column("creator_id") if config.creator else None
        self._creators = None if creator is None else creator.first_code(len(catalogue))

    def of(self, videos: NDArray[np.intp]) -> "Alike":
        """Compare some videos.

        Args:
            videos: (n,) positions.
        """
        vectors = None
        if self._parts:
            blocks = [
                weight * (part.vectors[videos] - mean) * scales[videos][:, None]
                for part, weight, (mean, scales) in self._parts
            ]
            vectors = np.concatenate(blocks, axis=1)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 0, lengths, 1)
        labels = None if self._labels is None else self._labels[videos]
        creators = None if self._creators is None else self._creators[videos]
        weights = self._config.content, self._config.labels, self._config.creator
        return Alike((vectors, labels, creators), [one / self._total for one in weights])


class Alike:
    """The videos of one head.

    Args:
        parts: Vectors (n, dim) float32, labels (n, n_labels) sparse, creators (n,); None counts as
            nothing in common.
        weights: Of the three; they add up to 1.
    """

    def __init__(
        self,
        parts: tuple[NDArray[np.float32] | None, sp.csr_matrix | None, NDArray[np.int32] | None],
        weights: Sequence[float],
    ) -> None:
        self._vectors, self._labels, self._creators = parts
        self._weights = weights

    def to(self, at: int) -> NDArray[np.float64] | float:
        """Likeness of each to one, (n,) in [−1, 1]; 0 where nothing is known."""
        found: NDArray[np.float64] | float = 0.0
        content, labels, creator = self._weights
        if self._vectors is not None:
            found = found + content * (self._vectors @ self._vectors[at]).astype(np.float64)
        if self._labels is not None:
            found = found + labels * (self._labels @ self._labels[at].toarray()[0])
        if self._creators is not None:
            code = self._creators[at]
            found = found + creator * ((self._creators == code) & (code >= 0))
        return found


def normalised(columns: Sequence[Words], n_videos: int, *, by: int = 2) -> sp.csr_matrix:
    """Which videos have which values, rows of length 1: (n_videos, n_values) float32.

    Args:
        columns: One beside the other.
        n_videos: In the catalogue.
        by: Norm of a row: 2, or 1 for shares.
    """
    blocks = [
        sp.csr_matrix(
            (
                np.ones(len(one.videos), dtype=np.float32),
                (one.videos, np.repeat(np.arange(len(one.codes)), np.diff(one.starts))),
            ),
            shape=(n_videos, len(one.codes)),
        )
        for one in columns
    ]
    matrix = sp.hstack(blocks, format="csr", dtype=np.float32)
    matrix.data[:] = 1  # a value that a row says twice
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    lengths = np.sqrt(sums) if by == 2 else sums
    scale = sp.diags(1 / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return sp.csr_matrix(scale @ matrix)
