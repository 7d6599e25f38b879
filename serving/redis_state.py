"""Live state of several machines: one Redis or Valkey server that all services share.

What SQLite promises on one machine (serving/sqlite_state.py) holds here for all of them, as far as
the server keeps what it has acknowledged: `appendonly yes` with `appendfsync always`. The start
says so where it does not. A step that must be one is one script; a request fetches all that it asks
about a person in one round trip (`about`). What carries raw user ids or words is sealed under the
pseudonym key, because deleted bytes stay in the server's log until it is rewritten.

Cluster mode is not supported: a script touches keys of many slots.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from typing_extensions import override

from kinoloop.data.interest import NO_INTERACTION
from kinoloop.environment import Environment
from kinoloop.errors import StateError
from kinoloop.privacy.key_file import secret_key
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.privacy.sealed import Seal
from kinoloop.release.availability import Window
from serving import metrics, redis_scripts, redis_videos, shown, unread
from serving.lineage import Pages
from serving.live_event import LiveEvent, Parcel, landing_row
from serving.redis_client import RedisClient
from serving.redis_people import PREFIX, row_of_line, row_of_unread, unread_row
from serving.redis_store import RedisStore
from serving.repeats import surplus
from serving.sayings import SAYINGS, said
from serving.state import NOBODY, LiveState, batch_name
from serving.unread import Unread
from serving.written import Line, surplus_of

logger = logging.getLogger(__name__)

PAGE_S = 900
"""How long a page may be turned at another machine than the one that gave it."""
PIECE = 1000
"""Members that a script deletes at most, so that it holds up nobody else for long."""


def opened(address: str, environment: Environment, *, hurried: bool = False) -> "RedisState":
    """Open the live state at an address, under the pseudonym key of an installation.

    Raises:
        ConfigError: The address is none, or the state there is not for this installation.
        StateError: The server does not answer.
    """
    (environment.private_state() / "serving").mkdir(exist_ok=True, mode=0o700)
    seal = Seal(secret_key(environment, "pseudonym"), "live state")
    return RedisState(
        RedisClient(address, hurried=hurried), seal, load_pseudonyms(environment).key_id
    )


class RedisState(RedisStore, LiveState):
    """The store; one object may be used from many threads, and many services use one server."""

    @override
    def record(
        self,
        events: Sequence[LiveEvent],
        parcels: Sequence[Parcel],
        persons: Mapping[str, str] = NOBODY,
        texts: Sequence[Unread] = (),
    ) -> int:
        waiting = {text.event_id: text for text in texts}
        room = unread.MOST - self._count_unread() if waiting else 0
        args: list[str | int] = [time.time_ns() // 1000, max(0, room)]
        for event, parcel in zip(events, parcels, strict=True):
            args += self._arguments(event, parcel, persons, waiting.get(event.event_id))
        new, left_out = self._run(redis_scripts.RECORD, *args)
        with suppress(StateError):  # the events are kept; what is too much waits for the next text
            for user, space in {(text.user, text.space) for text in texts}:
                self.erase_unread(surplus(self.unread_of([user], space), Unread.repeats))
        if left_out:
            metrics.TEXTS.labels("queue_full").inc(left_out)
            logger.warning("%d texts count after the next training only: too many wait", left_out)
        return int(new)

    def _arguments(
        self,
        event: LiveEvent,
        parcel: Parcel,
        persons: Mapping[str, str],
        text: Unread | None,
    ) -> list[str | int]:
        """Return what the script `RECORD` takes of an event."""
        row = [event.video_id, event.event, event.watch_s, event.value, event.timestamp]
        told = event.event in NO_INTERACTION
        says = json.dumps(said(event, parcel)) if event.event in SAYINGS else ""
        person = persons[parcel.person_id or ""] if event.event == "identify" else ""
        return [
            *(event.event_id, event.user, "told" if told else "live", json.dumps(row)),
            event.timestamp,
            self._seal.close(json.dumps(landing_row(event, parcel))),
            *(says, person),
            "" if text is None else text.space,
            "" if text is None else row_of_unread(text, self._seal),
        ]

    @override
    def keep_written(self, lines: Sequence[Line]) -> None:
        args: list[str | int] = []
        for line in lines:
            args += [line.event_id, line.user, line.space, line.timestamp, row_of_line(line)]
        self._run(redis_scripts.KEEP_WRITTEN, *args)
        for user, space in {(line.user, line.space) for line in lines}:
            left_out = surplus_of(self.newest_written([user], space))
            with self._client.speaking() as redis, redis.pipeline() as pipeline:
                for line in left_out:
                    pipeline.hdel(f"{PREFIX}written:{user}", line.event_id)
                    pipeline.zrem(f"{PREFIX}written_times", f"{user} {line.event_id}")
                pipeline.execute()

    @override
    def unread_longest(self, space: str, *, at_most: int) -> list[Unread]:
        with self._client.speaking() as redis:
            members = redis.zrange(f"{PREFIX}waiting:{space}", 0, at_most - 1)
        return self._unread(members)

    @override
    def unread_left_over(self, space: str) -> list[Unread]:
        before = time.time_ns() // 1000 - unread.LEFT_US
        found = []
        with self._client.speaking() as redis:
            for other in redis.smembers(f"{PREFIX}spaces") - {space.encode()}:
                key = f"{PREFIX}waiting:{other.decode()}"
                found += redis.zrangebyscore(key, "-inf", f"({before}")
        return self._unread(found)

    @override
    def erase_unread(self, texts: Sequence[Unread]) -> None:
        with self._client.speaking() as redis, redis.pipeline() as pipeline:
            for text in texts:
                pipeline.hdel(f"{PREFIX}unread:{text.user}", text.event_id)
                pipeline.zrem(f"{PREFIX}waiting:{text.space}", f"{text.user} {text.event_id}")
            pipeline.execute()

    def _unread(self, members: Sequence[bytes]) -> list[Unread]:
        named = [member.decode().split(" ", 1) for member in members]
        with self._client.speaking() as redis, redis.pipeline(transaction=False) as pipeline:
            for user, event_id in named:
                pipeline.hget(f"{PREFIX}unread:{user}", event_id)
            rows = zip(named, pipeline.execute(), strict=True)
        return [
            unread_row(user, event_id.encode(), row, seal=self._seal)
            for (user, event_id), row in rows
            if row is not None
        ]

    def _count_unread(self) -> int:
        with self._client.speaking() as redis:
            spaces = redis.smembers(f"{PREFIX}spaces")
            return sum(redis.zcard(f"{PREFIX}waiting:{space.decode()}") for space in spaces)

    @override
    def remember_shown(self, places: Sequence[tuple[str, str, int]], *, within_s: float) -> None:
        persons = {user: self.ids_of(user)[0] for user in {place[0] for place in places}}
        named = [word for user, *place in places for word in (persons[user], *place)]
        self._run(redis_scripts.REMEMBER_SHOWN, round(within_s * 1e6), *named)

    @override
    def count_hourly(self, counts: Iterable[tuple[str, str, int, int]]) -> None:
        with self._client.speaking() as redis, redis.pipeline() as pipeline:
            for user, video, hour, times in counts:
                kind, of, field = "hourly", user, f"{hour} {video}"
                if user == shown.ALL:
                    kind, of, field = "exposed", str(hour), video
                pipeline.hincrby(f"{PREFIX}{kind}:{of}", field, times)
                pipeline.zadd(f"{PREFIX}{kind}_times", {f"{of} {field}": hour})
            pipeline.execute()

    @override
    def keep_page(self, request_id: str, pages: Pages) -> None:
        kept = json.dumps(pages._asdict())
        with self._client.speaking() as redis:
            redis.set(f"{PREFIX}page:{request_id}", kept, ex=PAGE_S)

    @override
    def page(self, request_id: str) -> Pages | None:
        with self._client.speaking() as redis:
            found = redis.get(f"{PREFIX}page:{request_id}")
        kept = None if found is None else json.loads(found)
        if isinstance(kept, list):  # of before pages were counted
            return Pages(kept, 1)
        return None if kept is None else Pages(**kept)

    @override
    def availability(self) -> dict[str, Window]:
        with self._client.speaking() as redis:
            return redis_videos.availability(redis)

    @override
    def availability_version(self) -> int:
        with self._client.speaking() as redis:
            return redis_videos.version(redis)

    @override
    def say_availability(
        self, video_id: str, change: Callable[[Window | None], Window], *, at: int
    ) -> Window:
        with self._client.speaking() as redis:
            return redis_videos.say(redis, video_id, change, at=at)

    @override
    def settle_availability(self, agreed: Mapping[str, Window]) -> None:
        with self._client.speaking() as redis:
            redis_videos.settle(redis, agreed)

    @override
    def first_slate(self, video_id: str, at: int, seconds: float) -> bool:
        with self._client.speaking() as redis:
            return redis_videos.first_slate(redis, video_id, at, seconds)

    @override
    def newest_first_slates(self, at_most: int) -> list[float]:
        with self._client.speaking() as redis:
            return redis_videos.newest_first_slates(redis, at_most)

    @override
    def pending(self) -> int:
        with self._client.speaking() as redis:
            return int(redis.zcard(f"{PREFIX}queue"))

    @override
    def claim(self, max_rows: int) -> str | None:
        while True:
            with self._client.speaking() as redis:
                left = redis.hget(f"{PREFIX}batch", "name")
                rows = redis.zrange(f"{PREFIX}queue", 0, max_rows - 1, withscores=True)
            if left is None and not rows:
                return None
            name = batch_name([event_id.decode() for event_id, _ in rows])
            upto = int(rows[-1][1]) if rows else 0
            claimed = self._run(redis_scripts.CLAIM, upto, len(rows), name)
            if claimed is not None:  # else somebody was erased meanwhile
                return str(claimed.decode())

    @override
    def batch(self, name: str) -> list[dict[str, Any]]:
        rows = self._run(redis_scripts.BATCH, name)  # whole, or a file of it would be cut short
        return [json.loads(self._seal.open(row.decode())) for row in rows]

    @override
    def finish(self, name: str) -> None:
        self._run(redis_scripts.FINISH, name)

    @override
    def forget_before(self, timestamp: int) -> int:
        self._forget_old("written", timestamp)
        self._forget_unread(timestamp)
        forgotten = kept = 0
        while True:
            found, waiting = map(int, self._run(redis_scripts.FORGET_BEFORE, timestamp, kept))
            kept += waiting
            forgotten += found - waiting
            if found < PIECE:
                return forgotten

    @override
    def forget_shown(self, before: int) -> None:
        self._forget_old("shown", before)

    @override
    def forget_hours(self, *, before: int, of_all: bool) -> None:
        self._forget_old("exposed" if of_all else "hourly", before)

    @override
    def forget_user(self, user: str) -> int:
        erased = int(self._run(redis_scripts.FORGET_USER, user))
        self._log.ask()  # it has what was erased until then
        return erased

    def _forget_old(self, kind: str, before: int) -> None:
        while self._run(redis_scripts.FORGET_OLD, kind, before) >= PIECE:
            pass

    def _forget_unread(self, timestamp: int) -> None:
        with self._client.speaking() as redis:
            spaces = [space.decode() for space in redis.smembers(f"{PREFIX}spaces")]
        for space in spaces:
            waiting = self.unread_longest(space, at_most=unread.MOST)
            self.erase_unread([text for text in waiting if text.timestamp < timestamp])
