"""Intra-list diversity: how unlike each other the videos of a slate are."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Modality

CHUNK_CELLS = 8_000_000  # numbers gathered at a time: 32 MB


def diversity(slates: NDArray[np.integer], modality: Modality) -> NDArray[np.float64]:
    """Mean of 1 − cos over the pairs of a slate that both have vectors, by row, (n_rows,).

    NaN where a slate has no such pair.

    Source: Ziegler et al., WWW 2005, section 3.3.

    Examples:
        >>> vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
        >>> modality = Modality(vectors, present=np.array([True, True, True]), fingerprint="")
        >>> diversity(np.array([[0, 1], [0, 2]]), modality)
        array([0., 1.])
    """
    # Σ_{i≠j} cos(i, j) = |Σ v|² − n, since the vectors have length 1 and missing ones are zero.
    chunk = max(1, CHUNK_CELLS // max(1, slates.shape[1] * modality.vectors.shape[1]))
    squares = [
        np.square(modality.vectors[part].sum(axis=1, dtype=np.float64)).sum(axis=1)
        for part in np.split(slates, range(chunk, len(slates), chunk))
    ]
    present = modality.present[slates].sum(axis=1).astype(np.float64)
    cosines = np.concatenate(squares) - present
    pairs = present * (present - 1)
    alike = np.full(len(pairs), np.nan)
    np.divide(cosines, pairs, out=alike, where=pairs > 0)
    return np.asarray(1 - alike, dtype=np.float64)
