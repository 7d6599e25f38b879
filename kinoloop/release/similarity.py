"""Similar videos: the cosine of centred modality vectors, weighted and masked.

Each modality is centred first (its mean vector is taken off): the raw cosines of classical
descriptors all lie near 0.9 and those of a text encoder near 0.1, so a plain weighted
concatenation would follow whichever modality happens to vary most. The score is

    s(a, b) = Σ_m w_m · [m in a and b] · cos(a_m − μ_m, b_m − μ_m)  /  Σ_m w_m · [m in a]

the cosine of the weighted concatenation where all are there. A modality that b lacks counts as
average (0) and not as unlike. Centring costs no copy: μ and one over the norm of each centred
vector are stored, the vectors stay as they are.

Source: centring, Mu & Viswanath (2018), "All-but-the-Top".
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Modality
from kinoloop.release.files import open_array, write_array

WEIGHTS = {"text": 0.5, "visual": 0.3, "audio": 0.2}
"""Words say most of what a video is about, sound least; a modality that is not named gets 0.2."""


class Similarity:
    """Scores all videos against one.

    Args:
        modalities: Vectors by modality.
        directory: Where `write_centres` put means and scales.
    """

    def __init__(self, modalities: dict[str, Modality], directory: Path) -> None:
        self._modalities = modalities
        self._n_videos = max((len(m.present) for m in modalities.values()), default=0)
        self._means = {m: open_array(directory / f"{m}.mean.npy") for m in modalities}
        self._scales = {m: open_array(directory / f"{m}.scales.npy") for m in modalities}

    def covers(self, video: int) -> bool:
        """Whether the video has any modality to compare."""
        return any(bool(modality.present[video]) for modality in self._modalities.values())

    def score(self, video: int) -> NDArray[np.float32]:
        """Similarity of every video to one, (n_videos,) float32 in [-1, 1]."""
        total, weights = np.zeros(self._n_videos, dtype=np.float32), 0.0
        for name, modality in self._modalities.items():
            if not modality.present[video]:
                continue
            weight, mean, scales = WEIGHTS.get(name, 0.2), self._means[name], self._scales[name]
            query = (modality.vectors[video] - mean) * scales[video]
            cosines = (modality.vectors @ query - mean @ query) * scales
            total += np.float32(weight) * cosines
            weights += weight
        return total / np.float32(max(weights, 1e-12))


def write_centres(directory: Path, name: str, modality: Modality) -> None:
    """Write the mean of the present vectors and one over the norm of each centred one.

    The inverse norm is zero where a video lacks the modality, which masks it.
    """
    present = modality.present
    dim = modality.vectors.shape[1]
    mean = modality.vectors[present].mean(axis=0) if present.any() else np.zeros(dim)
    mean = mean.astype(np.float32)
    lengths = np.einsum("ij,ij->i", modality.vectors, modality.vectors)
    squares = lengths - 2 * (modality.vectors @ mean) + mean @ mean  # ‖v − μ‖², no copy of v
    inverse = np.zeros(len(squares), dtype=np.float32)
    np.divide(1.0, np.sqrt(squares.clip(1e-6)), out=inverse, where=present & (squares > 1e-6))
    write_array(directory / f"{name}.mean.npy", mean)
    write_array(directory / f"{name}.scales.npy", inverse)
