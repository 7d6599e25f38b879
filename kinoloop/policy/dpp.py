"""Diversity by a determinantal point process: the slate spans as much as it can.

The kernel is L = diag(q) S diag(q) with S = (1 + likeness) / 2 and q = exp(relevance / (2 weight));
the places are filled by the greedy search for the largest determinant. A candidate's gain is
relevance / weight + log d², so that it loses −weight · log d² here, with d² the share of it that
the videos before do not span. Unlike `mmr` it sees all of them together, and not the nearest alone.

Source: Chen, Zhang and Zhou, NeurIPS 2018, "Fast Greedy MAP Inference for Determinantal Point
Process", algorithm 1: O(n) per place and video before it.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.head import Context, Head, Rule
from kinoloop.policy.likeness import Alike, Likeness
from kinoloop.settings import Config

LEAST = 1e-6
"""Of d²: what is left of a video that others span is rounding, as its vectors are float32."""


class DppConfig(Config):
    """Diversity by a determinantal point process."""

    weight: float = Field(
        0.0, ge=0, description="How much what the slate spans counts against relevance; 0: off."
    )


class Dpp(Rule):
    """Keeps a slate from saying the same in several videos.

    Args:
        config: How much.
        likeness: What alike means.
    """

    name = "dpp"

    def __init__(self, config: DppConfig, likeness: Likeness) -> None:
        self._weight, self._likeness = config.weight, likeness

    def begin(self, head: Head, context: Context) -> "_Spanned":
        """Begin a slate."""
        n = len(head.videos)
        rows = min(context.top_k, head.first) + n - head.first
        return _Spanned(self._likeness.of(head.videos), n, rows, weight=self._weight)


class _Spanned:
    """The Cholesky factor of the chosen rows of S, grown by one row per video."""

    def __init__(self, alike: Alike, n: int, rows: int, *, weight: float) -> None:
        self._alike, self._weight = alike, weight
        self._rows, self._filled = np.empty((rows, n)), 0
        self._left = np.ones(n)  # d²

    def penalty(self, place: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Course)
        return -self._weight * np.log(self._left)

    def take(self, at: int) -> None:
        if self._left[at] <= LEAST:
            return  # the others span it
        kernel = np.empty(len(self._left))
        kernel[:] = self._alike.to(at)
        kernel = (1 + kernel) / 2
        kernel[at] = 1
        before = self._rows[: self._filled]
        row = (kernel - before[:, at] @ before) / np.sqrt(self._left[at])
        self._rows[self._filled] = row
        self._filled += 1
        np.maximum(self._left - row * row, LEAST, out=self._left)
