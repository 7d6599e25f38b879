"""What users did, in compressed rows: the one form that models, evaluation and serving share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.written import Written
from kinoloop.errors import DataError

if TYPE_CHECKING:
    import scipy.sparse as sp


class Interaction(NamedTuple):
    """One video in one history.

    Attributes:
        video: Internal index.
        weight: Interest that the event shows; > 0 liked, < 0 disliked.
        timestamp: µs since the epoch, UTC.
        kind: Position in `schema.EVENT_KINDS`.
        watch_share: Seconds watched over duration, clipped to [0, 1]; NaN where unknown.
    """

    video: int
    weight: float = 1.0
    timestamp: int = 0
    kind: int = 1
    watch_share: float = float("nan")


@dataclass(frozen=True)
class Histories:
    """Row u is `[offsets[u]:offsets[u+1]]` of each array, oldest first, a video at most once.

    Attributes:
        offsets: (n_rows + 1,) int64.
        videos: (n,) int32, internal indices.
        weights: (n,) float32, > 0 interest, < 0 dislike.
        timestamps: (n,) int64, µs since the epoch, UTC.
        kinds: (n,) uint8, position in `schema.EVENT_KINDS`.
        watch_shares: (n,) float32 in [0, 1], NaN where unknown.
        user_ids: Pseudonyms, one per row; empty where rows are anonymous.
        written: What the same rows wrote; None where that is not read.
    """

    offsets: NDArray[np.int64]
    videos: NDArray[np.int32]
    weights: NDArray[np.float32]
    timestamps: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    watch_shares: NDArray[np.float32]
    user_ids: tuple[str, ...] = ()
    written: Written | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n_rows,) events per row."""
        return np.asarray(self.offsets[1:] - self.offsets[:-1])  # np.diff is five calls more

    @property
    def ages(self) -> NDArray[np.int64]:
        """(n,) newer events in the same row: 0 for the newest."""
        return np.repeat(self.offsets[1:], self.lengths) - np.arange(len(self.videos)) - 1

    @property
    def row_of(self) -> NDArray[np.int64]:
        """(n,) the row that each event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @classmethod
    def from_rows(
        cls, rows: Sequence[Sequence[Interaction]], user_ids: Sequence[str] = ()
    ) -> "Histories":
        """Build from Python rows: for requests and tests, not for millions of events."""
        flat = [event for row in rows for event in row]
        lengths = np.array([0, *(len(row) for row in rows)], dtype=np.int64)
        return cls(
            offsets=np.cumsum(lengths),
            videos=np.array([e.video for e in flat], dtype=np.int32),
            weights=np.array([e.weight for e in flat], dtype=np.float32),
            timestamps=np.array([e.timestamp for e in flat], dtype=np.int64),
            kinds=np.array([e.kind for e in flat], dtype=np.uint8),
            watch_shares=np.array([e.watch_share for e in flat], dtype=np.float32),
            user_ids=tuple(user_ids),
        )

    def check(self, n_videos: int) -> None:
        """Refuse what a catalogue of `n_videos` does not have, before it picks a wrong column.

        Raises:
            DataError: Names the first row that does, and the place in it.
        """
        if self.videos.min(initial=0) >= 0 and self.videos.max(initial=-1) < n_videos:
            return
        at = int(np.flatnonzero((self.videos < 0) | (self.videos >= n_videos))[0])
        row = int(np.searchsorted(self.offsets, at, side="right")) - 1
        raise DataError(
            f"row {row} of the histories holds video {self.videos[at]} at place "
            f"{at - int(self.offsets[row])}, expected 0 to {n_videos - 1}: the id that it was "
            "looked up by is not in the catalogue (IdMap.require names it), or the histories are "
            "those of another catalogue (translate them)"
        )

    def row(self, u: int) -> slice:
        """Slice of the flat arrays that holds row u."""
        return slice(int(self.offsets[u]), int(self.offsets[u + 1]))

    def select(self, mask: NDArray[np.bool_]) -> "Histories":
        """Keep the events where `mask` (n,) is True; every row stays, maybe empty.

        What was written after the newest event that is kept of a row goes, too: nothing that is
        cut off leaves a trace in what is left.
        """
        kept = np.concatenate([[0], np.cumsum(mask)])
        found = self._with_events(kept[self.offsets].astype(np.int64), np.flatnonzero(mask))
        if self.written is None:
            return found
        newest = np.full(len(found), np.iinfo(np.int64).min)
        busy = np.flatnonzero(found.lengths)
        newest[busy] = found.timestamps[found.offsets[1:][busy] - 1]
        return replace(found, written=self.written.until(newest))

    def until(self, moment: int) -> "Histories":
        """Keep what was known at a moment, µs; every row stays, maybe empty."""
        found = self.select(self.timestamps <= moment)
        if self.written is None:
            return found
        return replace(found, written=self.written.until(np.full(len(self), moment)))

    def rows(self, rows: NDArray[np.integer] | slice) -> "Histories":
        """Keep the given rows, in the given order."""
        picked = np.arange(len(self))[rows]
        lengths = self.lengths[picked]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shift = np.repeat(self.offsets[picked] - offsets[:-1], lengths)
        users = tuple(self.user_ids[int(r)] for r in picked) if self.user_ids else ()
        found = self._with_events(offsets, np.arange(offsets[-1]) + shift, users)
        if self.written is None:
            return found
        return replace(found, written=self.written.rows(picked))

    def last(self, n: int) -> "Histories":
        """Keep the newest n events of each row."""
        return self if self.lengths.max(initial=0) <= n else self.select(self.ages < n)

    def matrix(self, n_videos: int) -> "sp.csr_matrix":
        """Weights as a sparse matrix of its own, (n_rows, n_videos) float32."""
        import scipy.sparse as sp

        parts, shape = (self.weights, self.videos, self.offsets), (len(self), n_videos)
        # SciPy would share the arrays, and change them where it sorts or drops zeros.
        return sp.csr_matrix(parts, shape=shape, dtype=np.float32, copy=True)

    def _with_events(
        self,
        offsets: NDArray[np.int64],
        picked: NDArray[np.integer],
        user_ids: tuple[str, ...] | None = None,
    ) -> "Histories":
        return Histories(
            offsets=offsets,
            videos=self.videos[picked],
            weights=self.weights[picked],
            timestamps=self.timestamps[picked],
            kinds=self.kinds[picked],
            watch_shares=self.watch_shares[picked],
            user_ids=self.user_ids if user_ids is None else user_ids,
        )
