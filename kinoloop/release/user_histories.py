"""Stored histories: pseudonym → newest interactions, found by binary search in mapped arrays.

A service that starts knows every user of the training tables without loading them: ten million
users are 320 MB of sorted pseudonyms on disk, of which a look-up touches a few pages.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import BundleError
from kinoloop.release.files import open_array, write_array

_ARRAYS = tuple(field.name for field in fields(Histories) if field.name != "user_ids")


class UserHistories:
    """Opens what `write_histories` wrote.

    Args:
        directory: Of the arrays.
    """

    def __init__(self, directory: Path) -> None:
        self._users = open_array(directory / "users.npy")
        arrays: dict[str, Any] = {name: open_array(directory / f"{name}.npy") for name in _ARRAYS}
        self._arrays = Histories(**arrays)

    def __len__(self) -> int:
        return len(self._users)

    def of(self, pseudonym: str) -> list[Interaction]:
        """The newest interactions of one user, oldest first; empty where unknown."""
        key = pseudonym.encode()
        if not len(self) or len(key) > self._users.dtype.itemsize:
            return []
        row = int(np.searchsorted(self._users, np.array(key, dtype=self._users.dtype)))
        if row == len(self) or self._users[row] != key:
            return []
        return self.row(row)

    def row(self, row: int) -> list[Interaction]:
        """The interactions of one row, oldest first."""
        picked, stored = self._arrays.row(row), self._arrays
        columns = (
            stored.videos[picked].tolist(),
            stored.weights[picked].tolist(),
            stored.timestamps[picked].tolist(),
            stored.kinds[picked].tolist(),
            stored.watch_shares[picked].tolist(),
        )
        return [Interaction(*values) for values in zip(*columns, strict=True)]


def write_histories(directory: Path, histories: Histories, *, limit: int) -> int:
    """Write the newest `limit` events of every user that has a pseudonym and an event.

    Returns:
        How many users were written.

    Raises:
        BundleError: A pseudonym is there twice.
    """
    users = np.array([user.encode() for user in histories.user_ids], dtype=np.bytes_)
    kept = np.flatnonzero(histories.lengths > 0) if len(users) else np.empty(0, dtype=np.int64)
    order = kept[np.argsort(users[kept], kind="stable")]
    if len(order) and (users[order][1:] == users[order][:-1]).any():
        raise BundleError("two histories carry one pseudonym; merge them before the bundle")
    stored = histories.rows(order).last(limit)
    write_array(directory / "users.npy", users[order] if len(order) else np.empty(0, "S1"))
    for name in _ARRAYS:
        write_array(directory / f"{name}.npy", getattr(stored, name))
    return len(order)
