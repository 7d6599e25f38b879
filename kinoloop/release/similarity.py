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
from kinoloop.retrieval.nearest import Asked
from kinoloop.retrieval.space import Space

NONE = np.empty(0, dtype=np.intp)


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

    def space(self) -> Space:
        """Return the vectors by which videos are compared, modality by modality."""
        weighed = self._weighed()
        dim = sum(self._modalities[name].vectors.shape[1] for name in weighed)

        def rows(videos: NDArray[np.integer] | slice) -> NDArray[np.float32]:
            parts = [
                (self._modalities[name].vectors[videos] - self._means[name])
                * (np.float32(weight**0.5) * self._scales[name][videos, None])
                for name, weight in weighed.items()
            ]
            return np.hstack(parts)

        return Space(self._n_videos, dim, rows)

    def asked(self, video: int) -> Asked:
        """Return what is looked for in `space` where videos like one are."""
        asked = self._asked(video)
        total = np.float32(max(sum(weight for weight, _ in asked.values()), 1e-12))
        vector = [
            np.float32(weight**0.5) / total * asked[name][1]
            if name in asked
            else np.zeros_like(self._means[name])
            for name, weight in self._weighed().items()
        ]

        def at(videos: NDArray[np.integer]) -> NDArray[np.float32]:
            return self._score(asked, videos, len(videos))

        return Asked(np.concatenate(vector), NONE, at, lambda: self.score(video))

    def score(self, video: int) -> NDArray[np.float32]:
        """Similarity of every video to one, (n_videos,) float32 in [-1, 1]."""
        return self._score(self._asked(video), slice(None), self._n_videos)

    def _weighed(self) -> dict[str, float]:
        """Weight of each modality that has one."""
        weights = {name: self._weights.of(name) for name in self._modalities}
        return {name: weight for name, weight in weights.items() if weight > 0}

    def _asked(self, video: int) -> dict[str, tuple[float, NDArray[np.float32]]]:
        """Weight and query of each modality that a video has."""
        return {
            name: (
                weight,
                (self._modalities[name].vectors[video] - self._means[name])
                * self._scales[name][video],
            )
            for name, weight in self._weighed().items()
            if self._modalities[name].present[video]
        }

    def _score(
        self,
        asked: dict[str, tuple[float, NDArray[np.float32]]],
        videos: NDArray[np.integer] | slice,
        n: int,
    ) -> NDArray[np.float32]:
        """Similarity of some videos, (n,) float32."""
        total, weights = np.zeros(n, dtype=np.float32), 0.0
        for name, (weight, query) in asked.items():
            mean, scales = self._means[name], self._scales[name][videos]
            cosines = (self._modalities[name].vectors[videos] @ query - mean @ query) * scales
            total += np.float32(weight) * cosines
            weights += weight
        return total / np.float32(max(weights, 1e-12))


def write_centres(directory: Path, name: str, modality: Modality) -> None:
    """Write what centring a modality needs."""
    mean, scales = centre(modality)
    write_array(directory / f"{name}.mean.npy", mean)
    write_array(directory / f"{name}.scales.npy", scales)
