"""Scores of one row that are not all there: what a catalogue too large to be scored whole gives.

Where every video is scored, scores are an array. Where only the best are looked for, they are
`Scores`: read at some positions as an array is, asked for the best by `top_k.best`, and made whole
only for those who need that, such as an explanation.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Scores(ABC):
    """Scores of every video for one row, of which those are made that are asked for."""

    @abstractmethod
    def best(self, top_k: int) -> NDArray[np.intp]:
        """Positions of the `top_k` highest, best first; a hidden one is never among them."""

    @abstractmethod
    def __getitem__(self, videos: NDArray[np.integer] | int) -> NDArray[np.float32]:
        """Scores at some positions, float32; −inf where a video is hidden."""

    @abstractmethod
    def whole(self) -> NDArray[np.float32]:
        """All of them, (n_videos,) float32; −inf hides a video."""

    @abstractmethod
    def more_than(self, n: int) -> bool:
        """Whether more than n videos are not hidden, nor show the same as a better one."""


Scored = NDArray[np.float32] | Scores
"""(n_videos,) scores of one row; −inf hides a video."""


def whole(scores: Scored) -> NDArray[np.float32]:
    """Return all scores as an array; a fresh one where they were not."""
    return scores.whole() if isinstance(scores, Scores) else scores


def more_than(scores: Scored, n: int) -> bool:
    """Whether more than n videos are not hidden."""
    if isinstance(scores, Scores):
        return scores.more_than(n)
    return int(np.count_nonzero(np.isfinite(scores))) > n
