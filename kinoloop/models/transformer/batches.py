"""Training batches: long rows cut into windows and packed end to end, without any padding.

A batch holds about a fixed number of positions, so that its cost and its gradient noise do not
depend on how long rows are. Windows of like length go together and stand in order of length, so
that attention runs over a few blocks of equal rows (`attention.py`), and every other layer over
one flat row of real positions. Only the events of one batch are read at a time: histories may be
memory-mapped files.

A step can be cut into parts (one per process, one per accumulated micro-batch); the parts of a step
learn the same targets, in sum, as the step uncut. Where a step has fewer windows than parts, the
others read a window again and learn nothing from it: every process takes part in every step.

Source: Krell et al., 2021 (packing without cross-contamination).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.transformer.context import context_classes

Learn = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Batch:
    """One part of a step; P positions, T of them with a target.

    Attributes:
        videos: (P,) int64, what was watched, window after window.
        context: (P, 3) int64, see `context_classes`.
        positions: (P,) int64, place in the window from 0.
        runs: (number of windows, their length), in order; they cover P.
        at: (T,) int64, positions that have a target.
        targets: (T,) int64, what was watched next.
        weights: (T,) float32 > 0, interest that the target showed.
        step_weight: Sum of `weights` over all parts of the step.
        asked_at: (A,) int64, positions whose next event says yes or no.
        asked: (A,) int64, what it was about.
        wanted: (A,) float32, 1 for yes and 0 for no.
        step_asked: How many are asked in all parts of the step.
    """

    videos: NDArray[np.int64]
    context: NDArray[np.int64]
    positions: NDArray[np.int64]
    runs: tuple[tuple[int, int], ...]
    at: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    step_weight: float = 0.0
    asked_at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    asked: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    wanted: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    step_asked: int = 0


class Batches:
    """Batches of a set of histories.

    Args:
        histories: Rows shorter than two events teach nothing and are left out.
        length: Longest input; longer rows are cut into windows, so every target is learned once.
        positions: Positions per step, about.
        most_steps: Of an epoch; it then reads other windows each time. None: all windows.
        asks: Whether it is asked what is wanted, too.
        learn: Picks the events that are learned as targets, by their times; None: all. The others
            are read before them, and windows without any are left out.
    """

    def __init__(
        self,
        histories: Histories,
        *,
        length: int,
        positions: int,
        most_steps: int | None = None,
        asks: bool = False,
        learn: Learn | None = None,
    ) -> None:
        self._histories, self._positions = histories, positions
        self._most_steps, self._asks = most_steps, asks
        self._starts, self._ends = _windows(histories, length)
        self._learned: NDArray[np.bool_] | None = None
        if learn is not None:
            self._learned = np.zeros(len(histories.videos), dtype=np.bool_)
            self._learned[learn(histories.timestamps)] = True
            until = np.concatenate([[0], np.cumsum(self._learned)])
            taught = np.flatnonzero(until[self._ends + 1] > until[self._starts + 1])
            self._starts, self._ends = self._starts[taught], self._ends[taught]

    @property
    def steps(self) -> int:
        """Steps per epoch, the same for every epoch."""
        every = len(self._cuts(np.sort(self._ends - self._starts))) + (len(self._starts) > 0)
        return every if self._most_steps is None else min(every, self._most_steps)

    def epoch(self, rng: np.random.Generator, *, parts: int = 1) -> Iterator[Sequence[Batch]]:
        """Windows, each once, in random order: the parts of one step after the other."""
        lengths = self._ends - self._starts
        order = np.argsort(lengths + rng.random(len(lengths)))  # random within a length
        groups = np.split(order, self._cuts(lengths[order])) if len(order) else []
        for index in rng.permutation(len(groups))[: self._most_steps]:
            yield self._step(groups[index], parts)

    def _cuts(self, sorted_lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        filled = np.cumsum(sorted_lengths) // self._positions
        return np.flatnonzero(np.diff(filled)) + 1

    def _step(self, windows: NDArray[np.int64], parts: int) -> list[Batch]:
        cut = [
            self._part(windows[part::parts]) if part < len(windows) else self._idle(windows[:1])
            for part in range(parts)
        ]
        total = sum(float(part.weights.sum()) for part in cut)
        asked = sum(len(part.asked) for part in cut)
        return [replace(part, step_weight=total, step_asked=asked) for part in cut]

    def _idle(self, windows: NDArray[np.int64]) -> Batch:
        """Make a part that is read and has no target."""
        part = self._part(windows)
        return replace(
            part,
            at=part.at[:0],
            targets=part.targets[:0],
            weights=part.weights[:0],
            asked_at=part.asked_at[:0],
            asked=part.asked[:0],
            wanted=part.wanted[:0],
        )

    def _part(self, windows: NDArray[np.int64]) -> Batch:
        starts, lengths = self._starts[windows], self._ends[windows] - self._starts[windows]
        offsets = np.cumsum(lengths) - lengths
        positions = np.arange(int(lengths.sum())) - np.repeat(offsets, lengths)
        at = np.repeat(starts, lengths) + positions
        weights = self._histories.weights[at + 1]
        learned = True if self._learned is None else self._learned[at + 1]
        taught = np.flatnonzero((weights > 0) & learned)
        asked = np.flatnonzero((weights != 0) & learned) if self._asks else taught[:0]
        sizes, counts = np.unique(lengths, return_counts=True)
        return Batch(
            videos=self._histories.videos[at].astype(np.int64),
            context=context_classes(self._histories, at, positions == 0),
            positions=positions,
            runs=tuple(zip(counts.tolist(), sizes.tolist(), strict=True)),
            at=taught,
            targets=self._histories.videos[at[taught] + 1].astype(np.int64),
            weights=weights[taught],
            asked_at=asked,
            asked=self._histories.videos[at[asked] + 1].astype(np.int64),
            wanted=(weights[asked] > 0).astype(np.float32),
        )


def _windows(histories: Histories, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut inputs [start, end) of windows, the newest full; their targets are one further."""
    inputs = np.maximum(histories.lengths - 1, 0)
    count = -(-inputs // length)
    row = np.repeat(np.arange(len(histories)), count)
    from_newest = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    ends = histories.offsets[1:][row] - 1 - from_newest * length
    starts = np.maximum(ends - length, histories.offsets[:-1][row])
    return starts, ends
