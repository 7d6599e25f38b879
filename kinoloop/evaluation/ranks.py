"""Where the targets stand in a full ranking: the one input of every accuracy metric.

Full ranking, never sampled (99 sampled negatives say .82 where the full ranking says .25). Videos
of the row's history are taken out. A tie counts against the target, so that a recommender that
gives everything the same score gains nothing by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.errors import DataError
from kinoloop.models.validation import Scorer

CHUNK_SCORES = 8_000_000  # scores held at a time: 32 MB per float32 copy
UNKNOWN = -1  # a target that the recommender's catalogue does not have
MISSED = np.iinfo(np.int64).max  # its rank


@dataclass(frozen=True)
class Ranks:
    """Ranks of the targets; row u is `[offsets[u]:offsets[u+1]]`.

    Attributes:
        offsets: (n_rows + 1,) int64.
        ranks: (n_targets,) int64, 1 is the top; `MISSED` where the video is unknown.
    """

    offsets: NDArray[np.int64]
    ranks: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n_rows,) targets per row."""
        return np.diff(self.offsets)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum a value of each target, (n_targets,), by row, (n_rows,)."""
        rows = np.repeat(np.arange(len(self)), self.counts)
        sums = np.bincount(rows, weights=values, minlength=len(self))
        return np.asarray(sums, dtype=np.float64)


def rank_targets(score: Scorer, histories: Histories, targets: Histories) -> Ranks:
    """Rank every target among all videos that its row has not met.

    Args:
        score: `Recommender.score`, or anything of its shape.
        histories: What was known.
        targets: What came next, row by row; `UNKNOWN` where the recommender cannot know it.

    Raises:
        DataError: A score is not a number.
    """
    ranks = np.full(len(targets.videos), MISSED, dtype=np.int64)
    for rows, scores in scored_chunks(score, histories):
        ranks[targets.offsets[rows.start] : targets.offsets[rows.stop]] = ranks_in(
            scores, targets.rows(rows)
        )
    return Ranks(targets.offsets, ranks)


def scored_chunks(
    score: Scorer, histories: Histories
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Score in chunks of rows; videos of the row's history are at −inf.

    Yields:
        The rows, and their scores, (n_rows, n_videos) float32.
    """
    start, size = 0, 1  # the first row tells how many videos there are
    while start < len(histories):
        rows = slice(start, min(start + size, len(histories)))
        part = histories.rows(rows)
        scores = score(part)
        if np.isnan(scores.min(initial=0.0)):  # one NaN is enough; makes no second matrix
            row, video = np.argwhere(np.isnan(scores))[0]
            raise DataError(f"row {start + row}, video {video}: the score is not a number")
        scores[part.row_of, part.videos] = -np.inf
        yield rows, scores
        start, size = rows.stop, max(1, CHUNK_SCORES // max(1, scores.shape[1]))


def ranks_in(scores: NDArray[np.float32], targets: Histories) -> NDArray[np.int64]:
    """Ranks of one chunk's targets, (n_targets,): how many videos score at least as high."""
    ranks = np.full(len(targets.videos), MISSED, dtype=np.int64)
    for at, (row, video) in enumerate(zip(targets.row_of, targets.videos, strict=True)):
        if video != UNKNOWN:
            ranks[at] = np.count_nonzero(scores[row] >= scores[row, video])
    return ranks
