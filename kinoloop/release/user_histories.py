"""Stored histories: pseudonym → newest interactions, found by binary search in mapped arrays.

A service that starts knows every user of the training tables without loading them: ten million
users are 320 MB of sorted pseudonyms on disk, of which a look-up touches a few pages.

Of each user the newest interactions are kept whole: more than recommenders read. Of older ones only
the videos are, so that none of them comes again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import BundleError
from kinoloop.release.files import open_array, write_array

HISTORY_LIMIT = 200
"""Newest interactions per user that a bundle keeps whole; recommenders look back less far."""

_ARRAYS = tuple(
    field.name for field in fields(Histories) if field.name not in ("user_ids", "written")
)


class UserHistories:
    """Opens what `write_histories` wrote.

    Args:
        directory: Of the arrays.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._users = open_array(directory / "users.npy")
        arrays: dict[str, Any] = {name: open_array(directory / f"{name}.npy") for name in _ARRAYS}
        self._arrays = Histories(**arrays)
        self._found: tuple[str, int | None] = ("", None)
        self._older_offsets = self._older = np.empty(0, dtype=np.int32)
        if (directory / "older_offsets.npy").exists():  # releases of version 0.1.0 have none
            self._older_offsets = open_array(directory / "older_offsets.npy")
            self._older = open_array(directory / "older.npy")

    def __len__(self) -> int:
        return len(self._users)

    def pseudonyms(self) -> Iterator[str]:
        """Yield every user, in the order of the rows; few are in memory at a time."""
        for start in range(0, len(self), 10_000):
            yield from (one.decode() for one in self._users[start : start + 10_000].tolist())

    def of(self, pseudonym: str) -> list[Interaction]:
        """Return the newest interactions of one user, oldest first; empty where unknown."""
        row = self.find(pseudonym)
        return [] if row is None else self.row(row)

    def seen_by(self, pseudonym: str) -> NDArray[np.int32]:
        """Every video that one user has met, (n,) int32; empty where unknown."""
        row = self.find(pseudonym)
        if row is None:
            return np.empty(0, dtype=np.int32)
        newest = self._arrays.videos[self._arrays.row(row)]
        if not len(self._older_offsets):
            return newest
        older = self._older[self._older_offsets[row] : self._older_offsets[row + 1]]
        return np.concatenate([older, newest])

    def row(self, row: int) -> list[Interaction]:
        """Return the interactions of one row, oldest first."""
        picked, stored = self._arrays.row(row), self._arrays
        columns = (
            stored.videos[picked].tolist(),
            stored.weights[picked].tolist(),
            stored.timestamps[picked].tolist(),
            stored.kinds[picked].tolist(),
            stored.watch_shares[picked].tolist(),
        )
        return [Interaction(*values) for values in zip(*columns, strict=True)]

    def find(self, pseudonym: str) -> int | None:
        """Return the row of a user; None where unknown."""
        last, row = self._found  # an answer asks of one user for history, videos and texts
        if last != pseudonym:
            row = self._find(pseudonym.encode())
            self._found = (pseudonym, row)  # at once: other threads ask meanwhile
        return row

    def _find(self, key: bytes) -> int | None:
        if not len(self) or len(key) > self._users.dtype.itemsize:
            return None
        row = int(np.searchsorted(self._users, np.array(key, dtype=self._users.dtype)))
        return None if row == len(self) or self._users[row] != key else row


def write_histories(directory: Path, histories: Histories, *, limit: int) -> Histories:
    """Write the histories of every user that has a pseudonym and an event.

    Args:
        directory: Where to.
        histories: All that is known.
        limit: Newest interactions that are kept whole; of older ones the videos are.

    Returns:
        What was written: a row per user, in the order of `users.npy`.

    Raises:
        BundleError: A pseudonym is there twice.
    """
    users = np.array([user.encode() for user in histories.user_ids], dtype=np.bytes_)
    kept = np.flatnonzero(histories.lengths > 0) if len(users) else np.empty(0, dtype=np.int64)
    order = kept[np.argsort(users[kept], kind="stable")]
    if len(order) and (users[order][1:] == users[order][:-1]).any():
        raise BundleError("two histories carry one pseudonym; merge them before the bundle")
    whole = histories.rows(order)
    stored, older = whole.last(limit), whole.select(whole.ages >= limit)
    write_array(directory / "users.npy", users[order] if len(order) else np.empty(0, "S1"))
    for name in _ARRAYS:
        write_array(directory / f"{name}.npy", getattr(stored, name))
    write_array(directory / "older_offsets.npy", older.offsets)
    write_array(directory / "older.npy", older.videos)
    return whole


def each_once(history: Sequence[Interaction], n_videos: int) -> list[Interaction]:
    """Of a history, oldest first, what is of the first `n_videos`, each once, as it came last."""
    newest_first: dict[int, Interaction] = {}
    for event in reversed(history):
        if 0 <= event.video < n_videos:
            newest_first.setdefault(event.video, event)
    return list(newest_first.values())[::-1]
