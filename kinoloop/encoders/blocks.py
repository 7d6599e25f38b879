"""Build a descriptor from blocks, so that the cosine of two descriptors means something.

Histograms and energies are positive: as they are, any two have a cosine near 1. Each block is
therefore centred (a histogram on its own mean, a number on a usual value) and scaled to a weight of
its own, so that a block with many bins does not drown the others; the cosine of two descriptors
is then close to the weighted mean of the blocks' correlations.

Source: the square root of a histogram (Hellinger kernel) as in Arandjelović and Zisserman,
"Three things everyone should know to improve object retrieval", CVPR 2012, section 3.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def histogram(counts: NDArray[np.floating], weight: float = 1.0) -> NDArray[np.float32]:
    """Scale a histogram of any shape to a block of length `weight`; zero if all bins are equal."""
    flat = np.asarray(counts, dtype=np.float64).ravel()
    root = np.sqrt(flat / max(float(flat.sum()), 1e-12))
    return _to_length(root - root.mean(), weight)


def numbers(
    values: Sequence[float] | NDArray[np.floating],
    usual: Sequence[float] | float,
    spread: Sequence[float] | float,
    *,
    weight: float = 1.0,
) -> NDArray[np.float32]:
    """Measurements as a block of length `weight` at most.

    Args:
        values: (n,) measurements.
        usual: (n,) or one value that is neither high nor low.
        spread: (n,) or one usual distance from that.
        weight: Length of the block when its values are one spread from the usual.
    """
    z = (np.asarray(values, dtype=np.float64) - np.asarray(usual)) / np.asarray(spread)
    z = np.clip(np.nan_to_num(z), -3, 3)
    block: NDArray[np.float32] = (z * (weight / np.sqrt(z.size))).astype(np.float32).ravel()
    return block


def join(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join blocks and L2-normalise them; a constant 0.05 keeps the result from being zero."""
    joined = np.concatenate([*blocks, np.array([0.05], dtype=np.float32)])
    unit: NDArray[np.float32] = (joined / np.linalg.norm(joined)).astype(np.float32)
    return unit


def _to_length(values: NDArray[np.float64], weight: float) -> NDArray[np.float32]:
    length = float(np.linalg.norm(values))
    scaled = values * (weight / length) if length > 1e-9 else np.zeros_like(values)
    return scaled.astype(np.float32)


def given_back(
    vectors: NDArray[np.float32],
    at: slice,
    usual: Sequence[float] | float,
    spread: Sequence[float] | float,
    *,
    weight: float = 1.0,
) -> NDArray[np.float32]:
    """Read the measurements of a `numbers` block back from joined vectors.

    The constant at the end of a joined vector tells by what it was scaled.

    Args:
        vectors: (n, dim) float32 as `join` gave them; a zero row gives the usual values.
        at: Where the block lies.
        usual: As given to `numbers`.
        spread: As given to `numbers`.
        weight: As given to `numbers`.

    Returns:
        (n, size of the block) float32, each at most three spreads from the usual.
    """
    constant = np.where(vectors[:, -1:] > 0, vectors[:, -1:], np.float32(1))
    block = vectors[:, at] * (np.float32(0.05) / constant)
    z = block * np.float32(np.sqrt(block.shape[1]) / weight)
    values: NDArray[np.float32] = (z * np.asarray(spread) + np.asarray(usual)).astype(np.float32)
    return values
