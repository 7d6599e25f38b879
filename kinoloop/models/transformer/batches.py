"""Training batches: long rows cut into windows, like lengths together, little padding.

A batch holds about a fixed number of positions, so that its cost and its gradient noise do not
depend on how long rows are. Padding sits at the end and is trimmed to the longest row of the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.transformer.context import WIDTH, context_classes


@dataclass(frozen=True)
class Batch:
    """One step's input; B rows, L positions.

    Attributes:
        videos: (B, L) int64, what was watched; 0 where padded.
        context: (B, L, 3) int64, see `context_classes`.
        targets: (B, L) int64, what was watched next; −1 where it is padding or not of interest.
        weights: (B, L) float32, interest that the target showed; 0 where there is none.
    """

    videos: NDArray[np.int64]
    context: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


class Batches:
    """Batches of a set of histories.

    Args:
        histories: Rows shorter than two events teach nothing and are left out.
        length: Longest input L; longer rows are cut into windows, so every target is learned once.
        positions: Positions a batch, about.
    """

    def __init__(self, histories: Histories, *, length: int, positions: int) -> None:
        self._histories, self._positions = histories, positions
        self._context = context_classes(histories)
        self._starts, self._ends = _windows(histories, length)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """All windows once, in random order."""
        lengths = self._ends - self._starts
        order = np.argsort(lengths + rng.random(len(lengths)))  # random within a length
        filled = np.cumsum(lengths[order]) // self._positions
        cuts = np.flatnonzero(np.diff(filled)) + 1
        groups = np.split(order, cuts) if len(order) else []
        for index in rng.permutation(len(groups)):
            yield self._batch(groups[index])

    def _batch(self, windows: NDArray[np.int64]) -> Batch:
        starts, lengths = self._starts[windows], self._ends[windows] - self._starts[windows]
        steps = np.arange(lengths.max())
        real = steps < lengths[:, None]
        at = np.where(real, starts[:, None] + steps, 0)
        following = np.where(real, at + 1, 0)
        weights = np.where(real, np.maximum(self._histories.weights[following], 0), 0)
        return Batch(
            videos=np.where(real, self._histories.videos[at], 0).astype(np.int64),
            context=np.where(real[..., None], self._context[at], self._context[:1, None]).reshape(
                *at.shape, WIDTH
            ),
            targets=np.where(weights > 0, self._histories.videos[following], -1).astype(np.int64),
            weights=weights.astype(np.float32),
        )


def _windows(histories: Histories, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs [start, end) of each window; its targets are one further. Newest windows are full."""
    inputs = np.maximum(histories.lengths - 1, 0)
    count = -(-inputs // length)
    row = np.repeat(np.arange(len(histories)), count)
    from_newest = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    ends = histories.offsets[1:][row] - 1 - from_newest * length
    starts = np.maximum(ends - length, histories.offsets[:-1][row])
    return starts, ends
