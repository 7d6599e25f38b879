"""Whom a model knows: the users that it was fitted with, or those that a saved folder holds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.errors import DataError
from kinoloop.release.user_histories import HISTORY_LIMIT

if TYPE_CHECKING:
    from kinoloop.release.release import Release


class KnownUsers(Protocol):
    """Finds what users did."""

    def __len__(self) -> int:
        """How many are known."""

    def histories(self, users: Sequence[str]) -> Histories:
        """One row per user with the newest `HISTORY_LIMIT` interactions.

        Raises:
            DataError: A user is unknown.
        """

    def seen(self, users: Sequence[str]) -> list[NDArray[np.integer]]:
        """Every video that each user has met."""


class FittedUsers:
    """Users of the histories that a recommender was fitted with.

    Args:
        histories: One row per user.
    """

    def __init__(self, histories: Histories) -> None:
        self.all = histories
        self._ids = IdMap(histories.user_ids)

    def __len__(self) -> int:
        return len(self._ids)

    def histories(self, users: Sequence[str]) -> Histories:
        """See `KnownUsers`; the window is that of a saved model, so that both answer alike."""
        return self.all.rows(self._rows(users)).last(HISTORY_LIMIT)

    def seen(self, users: Sequence[str]) -> list[NDArray[np.integer]]:
        """See `KnownUsers`."""
        return [self.all.videos[self.all.row(int(row))] for row in self._rows(users)]

    def _rows(self, users: Sequence[str]) -> NDArray[np.int32]:
        return self._ids.require(users, noun="user")


class StoredUsers:
    """Users of a saved model.

    Args:
        release: The opened folder.
    """

    def __init__(self, release: "Release") -> None:
        self._release = release

    def __len__(self) -> int:
        return self._release.info.users

    def histories(self, users: Sequence[str]) -> Histories:
        """See `KnownUsers`."""
        rows = [self._release.history_of(user) for user in users]
        for user, row in zip(users, rows, strict=True):
            if not row:
                raise DataError(
                    f"no user is called {user!r} among the {len(self):,} that "
                    f"{self._release.directory} holds; give a history, or [] for somebody new"
                )
        return Histories.from_rows(rows, users)

    def seen(self, users: Sequence[str]) -> list[NDArray[np.integer]]:
        """See `KnownUsers`."""
        return [self._release.seen_by(user) for user in users]
