"""What users searched and commented, for a ranker that reads it: vectors, and no texts.

Kept beside the histories, of the same users in the same order, the newest texts of each. A release
whose ranker does not read them holds none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.written import Written, Wrote
from kinoloop.ranking.ranker import Ranker
from kinoloop.ranking.written import NEWEST
from kinoloop.release.files import open_array, write_array
from kinoloop.release.search import Search
from kinoloop.release.user_histories import UserHistories

_ARRAYS = ("offsets", "kinds", "timestamps", "vectors")


class Texts:
    """What users had written when a release was made, and how to read what they write now.

    Args:
        users: Of the release; the texts lie beside their histories.
        search: Of the release: has the encoder of its text vectors.
        ranker: Of the release; None without one.

    Attributes:
        space: Fingerprint of the text vectors that texts are compared with; "" where the ranker
            reads no texts.
    """

    def __init__(
        self,
        users: UserHistories,
        *,
        search: Search,
        ranker: Ranker | None,
    ) -> None:
        reads = ranker is not None and ranker.config.reads_written
        self.space = search.space if reads else ""
        self._users, self._search = users, search
        paths = [users.directory / f"written_{name}.npy" for name in _ARRAYS]
        self._arrays = [open_array(path) for path in paths] if paths[0].exists() else []

    def of(self, pseudonym: str) -> list[Wrote]:
        """Return the newest texts of a user, oldest first; none where the ranker reads none."""
        row = self._users.find(pseudonym)
        if not self.space or row is None or not self._arrays:
            return []
        offsets, kinds, timestamps, vectors = self._arrays
        part = slice(int(offsets[row]), int(offsets[row + 1]))
        rows = zip(kinds[part].tolist(), timestamps[part].tolist(), vectors[part], strict=True)
        return [Wrote(kind, at, vector.astype(np.float32)) for kind, at, vector in rows]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Read texts, (n, dim) float32; None where the ranker reads none, or no encoder is here."""
        return self._search.encode(texts) if self.space else None

    def row(self, known: Sequence[Interaction], written: Sequence[Wrote]) -> Histories:
        """Make the history of a request."""
        row = Histories.from_rows([known])
        if not written or not self.space:
            return row
        return replace(row, written=Written.from_rows([written], self.space))


def write_texts(directory: Path, histories: Histories) -> None:
    """Write the newest texts of the rows that `write_histories` wrote.

    Args:
        directory: Of the histories.
        histories: The same, in the order of `users.npy`.
    """
    written = histories.written
    assert written is not None
    lengths = np.diff(written.offsets)
    ages = np.repeat(written.offsets[1:], lengths) - np.arange(len(written.texts)) - 1
    kept = np.flatnonzero(ages < NEWEST)
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, NEWEST))]).astype(np.int64)
    vectors = written.vectors[written.texts[kept]].astype(np.float16)
    arrays: tuple[NDArray[Any], ...] = (
        offsets,
        written.kinds[kept],
        written.timestamps[kept],
        vectors,
    )
    for name, values in zip(_ARRAYS, arrays, strict=True):
        write_array(directory / f"written_{name}.npy", values)
