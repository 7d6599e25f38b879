"""What one request asks of a person, in SQLite: whatever it asks twice is read once.

Ids of the person, and what they said, are asked for by the history, the texts, what cools down and
what is left to chance alike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from serving import shown
from serving.live_event import LiveEvent
from serving.sayings import Said
from serving.state import People
from serving.unread import Unread
from serving.written import Line

if TYPE_CHECKING:
    from serving.sqlite_state import SqliteState


class OnePerson(People):
    """Answers as the store does, and remembers for as long as the request lasts.

    Args:
        store: All that is known.
        user: Pseudonym of whom it is asked; of others the store is asked.
    """

    def __init__(self, store: "SqliteState", user: str) -> None:
        self._store, self._user = store, user
        self._ids: list[str] | None = None
        self._said: list[Said] | None = None

    @override
    def ids_of(self, user: str) -> list[str]:
        if user != self._user:
            return self._store.ids_of(user)
        if self._ids is None:
            self._ids = self._store.ids_of(user)
        return self._ids

    @override
    def said_by(self, users: Sequence[str]) -> list[Said]:
        if users is not self._ids:
            return self._store.said_by(users)
        if self._said is None:
            self._said = self._store.said_by(users)
        return self._said

    @override
    def videos_of(self, user: str) -> dict[str, int]:
        return self._store.videos_of(user)

    @override
    def events_of(self, user: str, *, at_most: int) -> list[LiveEvent] | None:
        return self._store.events_of(user, at_most=at_most)

    @override
    def events_with(self, user: str, video_ids: Sequence[str]) -> list[LiveEvent]:
        return self._store.events_with(user, video_ids)

    @override
    def newest_written(self, users: Sequence[str], space: str) -> list[Line]:
        return self._store.newest_written(users, space)

    @override
    def unread_of(self, users: Sequence[str], space: str) -> list[Unread]:
        return self._store.unread_of(users, space)

    @override
    def shown_often(self, user: str, *, times: int, since: int) -> list[str]:
        person = self.ids_of(user)[0]
        return shown.often(self._store.connection, person, times=times, since=since)

    @override
    def reached(self, user: str, *, times: int, since_hour: int) -> list[str]:
        return self._store.reached(user, times=times, since_hour=since_hour)
