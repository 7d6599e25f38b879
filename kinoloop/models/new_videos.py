"""Places of a slate for videos that nobody has watched yet.

Their scores rest on content alone and are seldom among the highest. A bonus for all of them trades
badly: a user with a few good ones gets a slate full of them, at the top, where it costs the most.
Places bound the price: of a slate of ten the lowest few go to the best new videos, and new videos
take no other. What a place costs and gains is measured in docs/results/sequence.md.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.top_k import best_columns

SLATE = 10


@dataclass(frozen=True)
class Places:
    """Gives the lowest places of a slate of `SLATE` to new videos.

    Attributes:
        new: (n_videos,) bool, videos without events.
        number: Places that are theirs, 1 to `SLATE` − 1.
    """

    new: NDArray[np.bool_]
    number: int

    def give(self, scores: NDArray[np.float32], histories: Histories) -> None:
        """Move the scores of new videos, in place; their order stays, and all other scores.

        Args:
            scores: (n_rows, n_videos); videos of the row's history count for no place.
            histories: What was watched.
        """
        new, old = np.flatnonzero(self.new), np.flatnonzero(~self.new)
        if not len(new) or len(old) <= SLATE:
            return
        for row, (start, stop) in enumerate(pairwise(histories.offsets)):
            seen = histories.videos[start:stop]
            hidden = scores[row, seen]
            scores[row, seen] = -np.inf
            scores[row, new] = self._moved(scores[row, new], scores[row, old])
            scores[row, seen] = hidden

    def _moved(self, new: NDArray[np.float32], old: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the best `number` between two neighbours among the old, the others below them."""
        last = SLATE - self.number
        top = np.partition(old, -last - 1)[-last - 1 :]  # two places at once take six times as long
        below, above = top[0], top[1:].min()
        if not np.isfinite(below):
            return new
        number = min(self.number, len(new))
        order = (
            np.argsort(-new, kind="stable")
            if len(new) == number
            else best_columns(new[None], number + 1)[0]
        )
        best = order[:number]
        if number < len(new):
            new = new - max(np.float32(0), new[order[number]] - below)
        steps = np.arange(1, number + 1, dtype=np.float32) / np.float32(number + 1)
        new[best] = above - (above - below) * steps
        return new


def give_places(
    scores: NDArray[np.float32], histories: Histories, new: NDArray[np.bool_], number: int
) -> None:
    """Give new videos their places; those after training by themselves: no other one moves.

    Args:
        scores: (n_rows, n_videos), changed in place.
        histories: What was watched.
        new: (n_trained,) bool, videos without events when it was trained.
        number: See `Places`.
    """
    trained = len(new)
    known = histories.select(histories.videos < trained)
    Places(new, number).give(scores[:, :trained], known)
    if scores.shape[1] > trained:
        later = np.arange(scores.shape[1]) >= trained
        Places(later, number).give(scores, histories)
