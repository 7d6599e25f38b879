"""Whether scores have the shape that everything after them relies on."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.errors import DataError


def in_shape(
    scores: NDArray[np.float32], histories: Histories, videos: int, kind: str
) -> NDArray[np.float32]:
    """Return scores that have a row per history and a column per video.

    Args:
        scores: What a recommender gave.
        histories: What it scored.
        videos: How many there are.
        kind: Of the recommender.

    Raises:
        DataError: The shape is another; names the recommender.
    """
    got, expected = np.shape(scores), (len(histories), videos)
    if got != expected:
        raise DataError(
            f"recommender {kind!r}: _score gave {type(scores).__name__} of shape {got}, expected "
            f"{expected}: a row per history, a column per video of the catalogue"
        )
    return scores
