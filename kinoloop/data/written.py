"""What users wrote: queries and comments as vectors, beside the videos of a history.

Of a text only its vector is kept, in the space of the text vectors of the catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

WRITTEN: Final = ("search", "comment")
"""Kinds of events that carry a text."""

MOST_CHARACTERS: Final = 200  # of a text that is read; more is a paste


def readable(text: str | None) -> str | None:
    """Return a text as it is read; None where there is none, or one too long."""
    stripped = (text or "").strip()
    return stripped if 0 < len(stripped) <= MOST_CHARACTERS else None


class Wrote(NamedTuple):
    """One text that a user wrote.

    Attributes:
        kind: Position in `schema.EVENT_KINDS`.
        timestamp: µs since the epoch, UTC.
        vector: (dim,) float32, L2-normalised.
    """

    kind: int
    timestamp: int
    vector: NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """Row u is `[offsets[u]:offsets[u+1]]` of each array, oldest first.

    Attributes:
        offsets: (n_rows + 1,) int64.
        texts: (n,) int32, rows of `vectors`.
        kinds: (n,) uint8, position in `schema.EVENT_KINDS`.
        timestamps: (n,) int64, µs since the epoch, UTC.
        vectors: (n_texts, dim) float32, L2-normalised; each text once.
        space: Fingerprint of the text vectors that they may be compared with.
    """

    offsets: NDArray[np.int64]
    texts: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    timestamps: NDArray[np.int64]
    vectors: NDArray[np.float32]
    space: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"Written({len(self.texts)} texts of {len(self)} rows)"

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Wrote]], space: str) -> "Written":
        """Build from Python rows, oldest first: for requests and tests."""
        flat = [one for row in rows for one in row]
        vectors = np.stack([one.vector for one in flat]) if flat else np.zeros((0, 1))
        return cls(
            offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
            texts=np.arange(len(flat), dtype=np.int32),
            kinds=np.array([one.kind for one in flat], dtype=np.uint8),
            timestamps=np.array([one.timestamp for one in flat], dtype=np.int64),
            vectors=vectors.astype(np.float32),
            space=space,
        )

    def rows(self, rows: NDArray[np.integer] | slice) -> "Written":
        """Keep the given rows, in the given order."""
        picked = np.arange(len(self))[rows]
        lengths = np.diff(self.offsets)[picked]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[picked] - offsets[:-1], lengths)
        return self._with(offsets, at)

    def until(self, moments: NDArray[np.int64]) -> "Written":
        """Keep of each row what was written up to its moment, (n_rows,) µs; every row stays."""
        kept = self.timestamps <= np.repeat(moments, np.diff(self.offsets))
        before = np.concatenate([[0], np.cumsum(kept)])
        return self._with(before[self.offsets].astype(np.int64), np.flatnonzero(kept))

    def _with(self, offsets: NDArray[np.int64], at: NDArray[np.integer]) -> "Written":
        return Written(
            offsets, self.texts[at], self.kinds[at], self.timestamps[at], self.vectors, self.space
        )
