"""How alike two videos are for diversity: what they hold, what they are about, who made them.

Each of the three is a product of vectors of length 1 (0 where a video has none), so that the
weighted mean is one, too, and the matrix of a head is positive semi-definite, as a DPP needs it.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.fusion import FusionConfig, centre
from kinoloop.policy.bags import Bags
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
        self._labels = Bags(words, len(catalogue)) if words else None
        creator = columns.column("creator_id") if config.creator else None
        self._creators = None if creator is None else creator.first_code(len(catalogue))

    def of(self, videos: NDArray[np.intp]) -> "Alike":
        """Compare some videos.

        Args:
            videos: (n,) positions.
        """
        content, about, creator = (
            weight / self._total
            for weight in (self._config.content, self._config.labels, self._config.creator)
        )
        features = []
        if self._parts:
            blocks = [
                weight * (part.vectors[videos] - mean) * scales[videos][:, None]
                for part, weight, (mean, scales) in self._parts
            ]
            vectors = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
            lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
            features.append(vectors * (np.sqrt(content) / np.where(lengths > 0, lengths, 1)))
        if self._labels is not None:
            features.append(np.sqrt(about) * self._labels.dense(videos))
        creators = None if self._creators is None else self._creators[videos]
        empty = np.zeros((len(videos), 0))
        joined = np.concatenate([empty, *features], axis=1).astype(np.float32)
        return Alike(joined, creators, creator)


class Alike:
    """The videos of one head.

    Args:
        features: (n, dim) float32, whose products are the likeness in content and labels.
        creators: (n,) codes, −1 for none; None where none are known.
        weight: Of one creator.
    """

    def __init__(
        self, features: NDArray[np.float32], creators: NDArray[np.int32] | None, weight: float
    ) -> None:
        self._features, self._creators, self._weight = features, creators, weight

    def to(self, at: int) -> NDArray[np.float64]:
        """Likeness of each to one, (n,) in [−1, 1]; 0 where nothing is known."""
        found: NDArray[np.float64] = (self._features @ self._features[at]).astype(np.float64)
        if self._creators is not None and self._creators[at] >= 0:
            found[self._creators == self._creators[at]] += self._weight
        return found
