"""A connection to Redis or Valkey that says clearly when the server is away.

Slates are made on the event loop, so nothing there may wait long for a server that is gone: the
first call that fails, or that keeps the loop for longer than `SLOW_S`, closes the way for all, and
a thread asks until the server answers quickly. Until then every call is refused at once. Addresses
are shown without their credentials, and to clients not at all.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as AwayError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as SlowError
from redis.retry import Retry

from kinoloop.errors import ConfigError, StateError
from kinoloop.redaction import shown_address
from serving import metrics

logger = logging.getLogger(__name__)

QUICK_S = 2.0  # what the event loop waits for, once
SLOW_S = 0.25
"""A reply for which the loop waited so long closes the way, though it came: a slate asks three
times, so more would stop a worker with a few requests. Redis in one data centre answers within a
few milliseconds, while its disk syncs or its memory is forked within some ten to a hundred."""
PATIENT_S = 10.0  # what threads wait for: an fsync on a busy disk takes seconds
RETRY_S = 0.2
SAY_EVERY_S = 60.0
PATIENCE_S = 10.0  # at a start: servers that start together need not be ordered

_SCHEMES: Final = {"valkey://": "redis://", "valkeys://": "rediss://"}


class RedisClient:
    """Speaks with one server; may be used from many threads.

    Args:
        address: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`, with user name,
            password, port and number of the database as far as they are needed.
        hurried: Whether others wait for the event loop that asks, as in the service.

    Raises:
        ConfigError: The address is none.
        StateError: The server does not answer.
    """

    def __init__(self, address: str, *, hurried: bool = False) -> None:
        self._hurried = hurried
        self.shown = shown_address(address)
        self._quick, self._patient = clients(address)
        self._away, self._shut = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._refusals, self._said = 0, -SAY_EVERY_S
        self._wait_for_it()

    @contextmanager
    def speaking(self, *, patient: bool = False) -> Iterator[Any]:
        """Speak with the server.

        Args:
            patient: Whether to wait for long; never on the event loop.

        Yields:
            The client.

        Raises:
            StateError: It is away, or refuses.
        """
        if self._away.is_set():
            raise _away()
        began, hurried = time.monotonic(), self._hurried and _on_an_event_loop()
        try:
            yield self._patient if patient else self._quick
        except (AwayError, SlowError) as err:
            self._leave(err)
            raise _away() from err
        except RedisError as err:
            self._refused(err)
            raise StateError("the live state refuses; its log and the service's say why") from err
        if hurried and (took := time.monotonic() - began) > SLOW_S:
            self._leave(f"the event loop waited {took:.2f} s for it, at most {SLOW_S} s")

    @property
    def away(self) -> bool:
        """Whether every call is refused now."""
        return self._away.is_set()

    def setting(self, name: str) -> str | None:
        """Return a setting of the server; None where it does not tell."""
        with self.speaking() as redis:
            try:
                found = redis.config_get(name)
            except ResponseError:  # managed servers keep it to themselves
                return None
        value = found.get(name, found.get(name.encode()))
        return value.decode() if isinstance(value, bytes) else value

    def close(self) -> None:
        """Close all connections."""
        self._shut.set()
        self._quick.close()
        self._patient.close()

    def _wait_for_it(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._quick.ping()
            except UnicodeError:  # no name of a host
                raise _no_address(self.shown) from None
            except (RedisError, OSError) as err:
                if time.monotonic() >= end:
                    raise StateError(
                        f"the live state at {self.shown} does not answer ({err}); start it, or "
                        "correct KINOLOOP_STATE_URL"
                    ) from err
                time.sleep(RETRY_S)
            else:
                return

    def _refused(self, err: RedisError) -> None:
        """Say so, at most once per minute: a full server refuses every write."""
        with self._lock:
            self._refusals += 1
            if time.monotonic() - self._said < SAY_EVERY_S:
                return
            times, self._refusals, self._said = self._refusals, 0, time.monotonic()
        logger.error(
            "the live state at %s refuses (%d times since the last such line): %s",
            self.shown,
            times,
            err,
        )

    def _leave(self, why: object) -> None:
        with self._lock:
            if self._away.is_set() or self._shut.is_set():
                return
            self._away.set()
        metrics.STATE_AWAY.set(1)
        logger.error("the live state at %s is away: %s", self.shown, why)
        threading.Thread(target=self._ask_again, name="live state", daemon=True).start()

    def _ask_again(self) -> None:
        while not self._shut.wait(RETRY_S):
            began = time.monotonic()
            try:
                self._quick.ping()
            except (RedisError, OSError):
                continue
            if time.monotonic() - began > SLOW_S:
                continue
            self._away.clear()
            metrics.STATE_AWAY.set(0)
            logger.warning("the live state at %s is back", self.shown)
            return


def _on_an_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def clients(address: str) -> tuple[Redis, Redis]:
    """Return a client that gives up soon and one with patience; neither has connected yet.

    Raises:
        ConfigError: The address is none.
    """
    url = address
    for ours, theirs in _SCHEMES.items():
        if address.startswith(ours):
            url = theirs + address.removeprefix(ours)
    try:
        return _redis(url, QUICK_S), _redis(url, PATIENT_S)
    except (ValueError, TypeError):
        raise _no_address(shown_address(address)) from None  # its message may have the password


def _redis(address: str, timeout_s: float) -> Redis:
    redis = Redis.from_url(
        address,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        # once more for a connection that broke while it was idle, and not for a slow answer
        retry=Retry(NoBackoff(), 1, supported_errors=(AwayError,)),
    )
    redis.connection_pool.make_connection()  # raises for an option that none has; connects nobody
    return redis


def _no_address(shown: str) -> ConfigError:
    return ConfigError(
        f"KINOLOOP_STATE_URL is {shown!r}; expected such as redis://host:6379/0, with special "
        "characters of a password as %XX"
    )


def _away() -> StateError:
    return StateError("the live state of the service is away; ask again in some seconds")
