"""The ground of the live state in Redis: hashes of users, scripts, claims, and what it promises."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis.exceptions import LockError
from typing_extensions import override

from kinoloop.errors import ConfigError
from kinoloop.privacy.sealed import Seal
from serving.redis_client import RedisClient
from serving.redis_log import LogRewriting
from serving.redis_people import PREFIX, About, Hash, RedisPeople
from serving.state import People

logger = logging.getLogger(__name__)

CLAIM_S = 15.0
"""How long a work is claimed, by one that was killed, too. Whoever is at it for longer is joined by
another, which harms no work: a batch is named by its content, a text becomes the same vector."""
FORMAT: Final = "1"


class RedisStore(RedisPeople):
    """Reads hashes and runs scripts.

    Args:
        client: Of the server.
        seal: Of rows that carry raw user ids or words.
        key_id: Of the pseudonym key: pseudonyms under another would be other people.

    Raises:
        ConfigError: The server keeps pseudonyms of another key, or another version's keys.
    """

    def __init__(self, client: RedisClient, seal: Seal, key_id: str) -> None:
        super().__init__(seal)
        self._client, self._log = client, LogRewriting(client)
        self._exposures = _Exposures(self)
        self._check(key_id)
        for warning in self.not_promised():
            logger.warning("%s", warning)

    def not_promised(self) -> list[str]:
        """Say what the server's settings do not promise."""
        return list(_not_promised(self._client))

    def about(self, user: str) -> People:
        """Fetch all that a request asks about a person, in one round trip."""
        return About(user, self.fetch, self._exposed, seal=self._seal)

    def fetch(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Hash]:
        """Return hashes by kind and user, in one round trip."""
        wanted = list(keys)
        with self._client.speaking() as redis, redis.pipeline(transaction=False) as pipeline:
            for kind, user in wanted:
                pipeline.hgetall(f"{PREFIX}{kind}:{user}")
            return dict(zip(wanted, pipeline.execute(), strict=True))

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Enter a work that one process does at a time; whether this is the one."""
        with self._client.speaking() as redis:
            lock = redis.lock(f"{PREFIX}alone:{work}", timeout=CLAIM_S, thread_local=False)
            mine = lock.acquire(blocking=False)
        try:
            yield mine
        finally:
            if mine:
                with self._client.speaking(), suppress(LockError):  # it ran out
                    lock.release()

    def wipe(self) -> None:
        """Do nothing: what carries ids or words is sealed, and the server rewrites its log."""

    def close(self) -> None:
        """Do nothing: connections are shared."""

    def shut(self) -> None:
        """Close all connections."""
        self._log.shut()
        self._client.close()

    def _run(self, script: str, *args: object) -> Any:  # noqa: ANN401 (what Redis returns)
        with self._client.speaking(patient=True) as redis:
            return redis.register_script(script)(keys=[PREFIX], args=args)

    @override
    def _hash(self, kind: str, user: str) -> Hash:
        with self._client.speaking() as redis:
            found: Hash = redis.hgetall(f"{PREFIX}{kind}:{user}")
        return found

    @override
    def _exposed(self, times: int, since_hour: int) -> list[str]:
        return self._exposures.reached(times, since_hour)

    def _check(self, key_id: str) -> None:
        with self._client.speaking() as redis:
            for name, ours in (("format", FORMAT), ("key", key_id)):
                redis.hsetnx(f"{PREFIX}made", name, ours)
            theirs = redis.hgetall(f"{PREFIX}made")
        if theirs[b"format"].decode() != FORMAT:
            raise ConfigError(
                f"the live state at {self._client.shown} has format {theirs[b'format'].decode()}, "
                f"expected {FORMAT}; name another database in KINOLOOP_STATE_URL"
            )
        if theirs[b"key"].decode() != key_id:
            raise ConfigError(
                f"the live state at {self._client.shown} is under pseudonym key "
                f"{theirs[b'key'].decode()}, the key here is {key_id}; give all services the same "
                "KINOLOOP_PSEUDONYM_KEY, or name another database in KINOLOOP_STATE_URL"
            )


class _Exposures:
    """What everybody together was shown: hours that are over are fetched once."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._span = (0, 0)
        self._over: Counter[bytes] = Counter()

    def reached(self, times: int, since_hour: int) -> list[str]:
        """Videos that everybody together was shown at least `times` since an hour."""
        last = int(time.time() // 3600) - 1  # what it showed may still be counted
        if self._span != (since_hour, last):
            self._over, self._span = self._counted(since_hour, last), (since_hour, last)
        total = self._over + self._counted(max(last, since_hour), last + 2)
        return [video.decode() for video, count in total.items() if count >= times]

    def _counted(self, first: int, end: int) -> Counter[bytes]:
        total: Counter[bytes] = Counter()
        for found in self._store.fetch(("exposed", str(h)) for h in range(first, end)).values():
            for video, count in found.items():
                total[video] += int(count)
        return total


def _not_promised(client: RedisClient) -> Iterator[str]:
    appends, syncs = client.setting("appendonly"), client.setting("appendfsync")
    evicts = client.setting("maxmemory-policy")
    if appends is None:
        yield (
            f"the live state at {client.shown} does not tell its settings: whether acknowledged "
            "feedback survives its fall is for its operator to say (appendonly, appendfsync)"
        )
    elif appends != "yes":
        yield (
            f"the live state at {client.shown} is in memory only: acknowledged feedback is lost "
            "with it; set appendonly yes and appendfsync always"
        )
    elif syncs != "always":
        yield (
            f"the live state at {client.shown} syncs {syncs!r}: acknowledged feedback of about a "
            "second is lost with its machine; set appendfsync always"
        )
    if evicts not in {None, "noeviction"}:
        yield (
            f"the live state at {client.shown} throws keys away when it is full ({evicts}); set "
            "maxmemory-policy noeviction"
        )
