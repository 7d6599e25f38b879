"""Fusion for plain similarity: one vector per video out of those of its modalities.

Each modality is centred first (its mean vector is taken off): the raw cosines of classical
descriptors all lie near 0.9 and those of a text encoder near 0.1, so a plain concatenation would
follow whichever modality happens to vary most. A video's fused vector is then

    f(a) = concat over m of  √w_m · [m in a] · (a_m − μ_m) / ‖a_m − μ_m‖

so that f(a)·f(b) is the weighted sum of the cosines of what both have, and ‖f(a)‖² the weight of
what a has. A missing modality counts as average (0) and not as unlike. Similar videos, and whoever
wants one matrix of content, use this. It learns nothing: the recommenders project, gate and mask
the modalities themselves (`kinoloop/models/transformer/`), and `content_cosine` standardises each
channel over the videos of a request instead, because it adds channels that are not vectors. A
fusion that is learned is `kinoloop/data/joint.py`.

Source: centring, Mu & Viswanath, "All-but-the-Top", 2018.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.catalogue import Modality
from kinoloop.settings import Config


class FusionConfig(Config):
    """Weight of each modality in a plain similarity."""

    text: float = Field(default=0.5, ge=0, description="Words say most of what a video is about.")
    visual: float = Field(default=0.3, ge=0, description="How it looks.")
    audio: float = Field(default=0.2, ge=0, description="How it sounds; it says least.")
    joint: float = Field(
        default=0.0,
        ge=0,
        description="Of the learned joint vector, where [fusion.contrastive] makes it.",
    )

    def of(self, modality: str) -> float:
        """Weight of one modality; 0 for one that has none."""
        return float(getattr(self, modality, 0.0))


@dataclass(frozen=True)
class Fused:
    """One vector per video.

    Attributes:
        vectors: (n_videos, sum of dims) float32; the squared length of a row is the weight of what
            the video has.
        masks: (n_videos, n_modalities) bool, in the order of `names`.
        names: Of the modalities, as they stand one after the other in a vector.
    """

    vectors: NDArray[np.float32]
    masks: NDArray[np.bool_]
    names: tuple[str, ...]

    def similarity(self, video: int) -> NDArray[np.float32]:
        """Similarity of every video to one, (n_videos,) in [-1, 1]; 0 where it has nothing."""
        query = self.vectors[video]
        weight = np.float32(max(float(query @ query), 1e-12))
        scores: NDArray[np.float32] = (self.vectors @ query) / weight
        return scores


def fuse(modalities: Mapping[str, Modality], weights: FusionConfig | None = None) -> Fused:
    """Concatenate and weight the vectors of a catalogue.

    Args:
        modalities: Of a catalogue, at least one.
        weights: Of each; the defaults where None.
    """
    chosen = weights or FusionConfig()
    names = tuple(sorted(modalities))
    blocks = []
    for name in names:
        mean, scales = centre(modalities[name])
        block = (modalities[name].vectors - mean) * scales[:, None]
        blocks.append(np.float32(np.sqrt(chosen.of(name))) * block)
    masks = np.stack([modalities[name].present for name in names], axis=1)
    return Fused(np.concatenate(blocks, axis=1).astype(np.float32), masks, names)


def centre(modality: Modality) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute what centring needs, without a copy of the vectors.

    Returns:
        mean: (dim,) of the vectors that are present.
        scales: (n_videos,) one over the length of each centred vector; 0 where the video lacks the
            modality, which masks it.
    """
    present = modality.present
    dim = modality.vectors.shape[1]
    mean: NDArray[np.float32] = np.zeros(dim, dtype=np.float32)
    if present.any():
        mean = modality.vectors[present].mean(axis=0).astype(np.float32)
    return mean, scales_of(modality.vectors, present, mean)


def centred_as(
    before: Modality, grown: Modality, changed: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Mean and scales of a grown modality: the mean stays, so that no other video moves.

    Args:
        before: Of the first videos of `grown`.
        grown: Of all videos.
        changed: Positions that are new or other.

    Returns:
        As `centre` does; None where `before` has none.
    """
    if before.centred is None:
        return None
    mean, old = before.centred
    scales = np.zeros(len(grown.present), dtype=np.float32)
    scales[: len(old)] = old
    scales[changed] = scales_of(grown.vectors[changed], grown.present[changed], mean)
    return mean, scales


def scales_of(
    vectors: NDArray[np.float32], present: NDArray[np.bool_], mean: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One over the length of each centred vector, (n,); 0 where there is none."""
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    squares = lengths - 2 * (vectors @ mean) + mean @ mean  # ‖v − μ‖², no copy of v
    scales = np.zeros(len(squares), dtype=np.float32)
    np.divide(1.0, np.sqrt(squares.clip(1e-6)), out=scales, where=present & (squares > 1e-6))
    return scales
