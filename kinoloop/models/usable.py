"""Whether scores are what everything after them relies on: of the right shape, and numbers."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.errors import DataError

if TYPE_CHECKING:  # it imports polars, which a bare machine for the GPU benchmark has not
    from kinoloop.data.ids import IdMap


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


def all_numbers(scores: NDArray[np.float32], videos: "IdMap", kind: str) -> None:
    """Refuse a NaN: it orders nothing, so that a slate would be empty without a word.

    Args:
        scores: (n_rows, n_videos).
        videos: Of the columns.
        kind: Of the recommender.

    Raises:
        DataError: One is NaN; names the recommender, the row and the video.
    """
    if scores.size and np.isnan(scores.min()):  # NaN carries through a minimum, without a copy
        row, column = np.argwhere(np.isnan(scores))[0].tolist()
        raise DataError(
            f"recommender {kind!r}: _score gave NaN for video {videos[column]!r} in row {row}, "
            "expected numbers; a video that must not be recommended scores -inf"
        )
