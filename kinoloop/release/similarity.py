"""Similar videos: fused similarity (`kinoloop.data.fusion`) over memory-mapped vectors.

The fused matrix is never made: μ and one over the norm of each centred vector are stored in the
bundle, the vectors stay as they are, and a request adds up the modalities' weighted cosines.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Modality
from kinoloop.data.fusion import FusionConfig, centre
from kinoloop.release.files import open_array, write_array


class Similarity:
    """Scores all videos against one.

    Args:
        modalities: Vectors by modality.
        directory: Where `write_centres` put means and scales.
        weights: Of the modalities.
    """

    def __init__(
        self, modalities: dict[str, Modality], directory: Path, weights: FusionConfig
    ) -> None:
        self._modalities, self._weights = modalities, weights
        self._n_videos = max((len(m.present) for m in modalities.values()), default=0)
        self._means = {m: open_array(directory / f"{m}.mean.npy") for m in modalities}
        self._scales = {m: open_array(directory / f"{m}.scales.npy") for m in modalities}

    def covers(self, video: int) -> bool:
        """Whether the video has any modality to compare."""
        return any(
            bool(modality.present[video]) and self._weights.of(name) > 0
            for name, modality in self._modalities.items()
        )

    def score(self, video: int) -> NDArray[np.float32]:
        """Similarity of every video to one, (n_videos,) float32 in [-1, 1]."""
        total, weights = np.zeros(self._n_videos, dtype=np.float32), 0.0
        for name, modality in self._modalities.items():
            weight = self._weights.of(name)
            if not modality.present[video] or not weight:
                continue
            mean, scales = self._means[name], self._scales[name]
            query = (modality.vectors[video] - mean) * scales[video]
            cosines = (modality.vectors @ query - mean @ query) * scales
            total += np.float32(weight) * cosines
            weights += weight
        return total / np.float32(max(weights, 1e-12))


def write_centres(directory: Path, name: str, modality: Modality) -> None:
    """Write what centring a modality needs."""
    mean, scales = centre(modality)
    write_array(directory / f"{name}.mean.npy", mean)
    write_array(directory / f"{name}.scales.npy", scales)
