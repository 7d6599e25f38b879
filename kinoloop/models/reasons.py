"""Why a video is recommended: the watched one that speaks most for it."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories

if TYPE_CHECKING:
    from kinoloop.data.catalogue import Catalogue

REASONS_FROM = 50  # newest liked videos that may be named as a reason


class Explains(ABC):
    """Finds reasons by comparing videos; the default compares their vectors."""

    @property
    @abstractmethod
    def catalogue(self) -> "Catalogue":
        """The videos."""

    def explain(self, histories: Histories, videos: NDArray[np.integer]) -> list[int | None]:
        """For each recommended video the watched one that speaks most for it.

        The default compares vectors; a recommender that knows better overrides `_similarity`.
        A slate is asked at once, because asking video by video cost more than scoring.

        Args:
            histories: One row.
            videos: (n,) internal indices of the recommended videos, each once.

        Returns:
            Per video the internal index of a liked one; None where nothing speaks for it.
        """
        liked = histories.videos[histories.weights > 0][-REASONS_FROM:]
        if not len(liked):
            return [None] * len(videos)
        similarity = self._similarity(liked, videos)
        similarity[videos[:, None] == liked] = 0  # no video is its own reason
        best = similarity.argmax(axis=1)
        return [
            int(liked[at]) if row[at] > 0 else None
            for row, at in zip(similarity, best.tolist(), strict=True)
        ]

    def similar(self, video: int) -> NDArray[np.float32]:
        """How much one video speaks for each other, (n_videos,) float32; ≤ 0 is not at all."""
        everything = np.arange(len(self.catalogue))
        return self._similarity(np.array([video], dtype=np.int32), everything)[:, 0]

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """How much each liked video speaks for each of `videos`; ≤ 0 is not at all.

        Returns:
            (n_videos, n_liked) float32, writable.
        """
        total = np.zeros((len(videos), len(liked)), dtype=np.float32)
        for modality in self.catalogue.modalities.values():
            total += modality.vectors[videos] @ modality.vectors[liked].T
        return total
