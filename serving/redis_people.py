"""What Redis knows of people: every question is answered from hashes, one per user and kind.

So all that one request asks can be fetched together beforehand, in one round trip (`About`).
"""

import base64
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from typing_extensions import override

from kinoloop.privacy.sealed import Seal
from serving import shown
from serving.live_event import LiveEvent
from serving.repeats import MOST
from serving.sayings import Said, person_ids
from serving.state import People
from serving.unread import Unread
from serving.written import Line

PREFIX: Final = "kinoloop:"
Hash = Mapping[bytes, bytes]
Row = TypeVar("Row", Line, Unread)
OF_A_USER: Final = ("link", "linked", "live", "said", "unread", "written", "shown", "hourly")


class RedisPeople(People):
    """Answers from hashes.

    Args:
        seal: Of texts that wait.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    @abstractmethod
    def _hash(self, kind: str, user: str) -> Hash:
        """Return the hash of a kind and a user; empty where there is none."""

    @override
    def ids_of(self, user: str) -> list[str]:
        def person_of(one: str) -> str | None:
            person = self._hash("link", one).get(b"person")
            return None if person is None else person.decode()

        def newest_of(person: str) -> list[str]:
            linked = self._hash("linked", person).items()
            return [one.decode() for one, _ in sorted(linked, key=lambda one: -int(one[1]))]

        return person_ids(user, person_of, newest_of)

    @override
    def said_by(self, users: Sequence[str]) -> list[Said]:
        return [
            Said(*json.loads(row)) for user in users for row in self._hash("said", user).values()
        ]

    @override
    def videos_of(self, user: str) -> dict[str, int]:
        since: dict[str, int] = {}
        for event in self._events(user):
            since[event.video_id] = min(event.timestamp, since.get(event.video_id, event.timestamp))
        return since

    @override
    def events_of(self, user: str, *, at_most: int) -> list[LiveEvent] | None:
        return None if len(self._hash("live", user)) > at_most else self._events(user)

    @override
    def events_with(self, user: str, video_ids: Sequence[str]) -> list[LiveEvent]:
        asked = set(video_ids)
        return [event for event in self._events(user) if event.video_id in asked]

    @override
    def newest_written(self, users: Sequence[str], space: str) -> list[Line]:
        rows = [
            line_of(user, *row) for user in users for row in self._hash("written", user).items()
        ]
        return _newest([row for row in rows if row.space == space])[: 2 * MOST]

    @override
    def unread_of(self, users: Sequence[str], space: str) -> list[Unread]:
        rows = [
            unread_row(user, *row, seal=self._seal)
            for user in users
            for row in self._hash("unread", user).items()
        ]
        return _newest([row for row in rows if row.space == space])

    @override
    def shown_often(self, user: str, *, times: int, since: int) -> list[str]:
        found = []
        for video, row in self._hash("shown", self.ids_of(user)[0]).items():
            counted, last = map(int, row.split())
            if counted >= times and last >= since:
                found.append(video.decode())
        return found

    @override
    def reached(self, user: str, *, times: int, since_hour: int) -> list[str]:
        if user == shown.ALL:
            return self._exposed(times, since_hour)
        total: Counter[bytes] = Counter()
        for field, count in self._hash("hourly", user).items():
            hour, _, video = field.partition(b" ")
            if int(hour) >= since_hour:
                total[video] += int(count)
        return [video.decode() for video, count in total.items() if count >= times]

    @abstractmethod
    def _exposed(self, times: int, since_hour: int) -> list[str]:
        """Videos that everybody together was shown at least `times` since an hour."""

    def _events(self, user: str) -> list[LiveEvent]:
        found = []
        for event_id, row in self._hash("live", user).items():
            video_id, event, watch_s, value, timestamp = json.loads(row)
            about = (video_id, event, watch_s, value, timestamp)
            found.append(LiveEvent(event_id.decode(), user, *about))
        return found


class About(RedisPeople):
    """What is known of one person, as it was when this was made.

    Args:
        user: Pseudonym.
        fetch: Returns hashes by kind and user, all in one round trip.
        exposed: What everybody was shown.
        seal: Of texts that wait.
    """

    def __init__(
        self,
        user: str,
        fetch: Callable[[Iterable[tuple[str, str]]], dict[tuple[str, str], Hash]],
        exposed: Callable[[int, int], list[str]],
        *,
        seal: Seal,
    ) -> None:
        super().__init__(seal)
        self._fetch, self._of_all = fetch, exposed
        self._found = fetch((kind, user) for kind in OF_A_USER)
        self._ids: dict[str, list[str]] = {}

    @override
    def ids_of(self, user: str) -> list[str]:
        if user not in self._ids:
            ids = self._ids[user] = super().ids_of(user)
            wanted = [(kind, one) for one in ids for kind in OF_A_USER]
            if missing := [key for key in wanted if key not in self._found]:
                self._found |= self._fetch(missing)
        return self._ids[user]

    @override
    def _hash(self, kind: str, user: str) -> Hash:
        if (kind, user) not in self._found:
            self._found |= self._fetch([(kind, user)])
        return self._found[kind, user]

    @override
    def _exposed(self, times: int, since_hour: int) -> list[str]:
        return self._of_all(times, since_hour)


def line_of(user: str, event_id: bytes, row: bytes) -> Line:
    """Read what was written."""
    video_id, event, timestamp, space, vector = json.loads(row)
    blob = base64.b64decode(vector)
    return Line(event_id.decode(), user, video_id, event, timestamp, space, blob)


def row_of_line(line: Line) -> str:
    """Return what was written as it is kept."""
    vector = base64.b64encode(line.vector).decode()
    return json.dumps([line.video_id, line.event, line.timestamp, line.space, vector])


def unread_row(user: str, event_id: bytes, row: bytes, *, seal: Seal) -> Unread:
    """Read a text that waits."""
    video_id, event, timestamp, space, sealed = json.loads(row)
    text = seal.open(sealed)
    return Unread(event_id.decode(), user, video_id, event, timestamp, space, text)


def row_of_unread(text: Unread, seal: Seal) -> str:
    """Return a text as it waits: sealed."""
    sealed = seal.close(text.text)
    return json.dumps([text.video_id, text.event, text.timestamp, text.space, sealed])


def _newest(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row.timestamp, row.event_id))
