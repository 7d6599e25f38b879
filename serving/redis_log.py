"""The append-only file of a Redis server, which keeps erased bytes until it is rewritten."""

import logging
import threading
from typing import Final

from redis.exceptions import ResponseError

from kinoloop.errors import StateError
from serving.redis_client import RETRY_S, RedisClient

logger = logging.getLogger(__name__)

SHUT_S: Final = 10.0
"""How long an ending process waits for the rewrite of before, so that its own begins."""


class LogRewriting:
    """Has the file rewritten after each erasure.

    A server at a rewrite refuses another one, and what was erased since that began stays in the new
    file: it is asked again until one begins.

    Args:
        client: Of the server.
    """

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._ending, self._end = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._due = False

    def ask(self) -> None:
        """Have it rewritten now, or by a thread as soon as the server can."""
        if self._begun():
            return
        with self._lock:
            self._due = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log rewriting", daemon=True)
                self._thread.start()

    def shut(self) -> None:
        """Wait a while for what is due, and say where that is in vain."""
        self._ending.set()
        if (thread := self._thread) is not None:
            thread.join(SHUT_S)
        self._end.set()
        if self._due:
            self._say("this process ended before it could begin")

    def _run(self) -> None:
        while not self._end.wait(RETRY_S):
            with self._lock:
                self._due = False  # who erases from here on asks again
            begun = self._begun()
            with self._lock:
                self._due = self._due or not begun
                if not self._due or (self._ending.is_set() and self._client.away):
                    self._thread = None
                    return

    def _begun(self) -> bool:
        """Whether a rewrite began or comes next, or the server would never begin one."""
        try:
            with self._client.speaking() as redis:
                try:
                    redis.bgrewriteaof()
                except ResponseError as err:
                    if "in progress" in str(err):
                        return False
                    self._say(err)
        except StateError:
            return False
        return True

    def _say(self, why: object) -> None:
        logger.warning(
            "the log of the live state at %s is not rewritten (%s) and keeps what was erased; run "
            "BGREWRITEAOF there",
            self._client.shown,
            why,
        )
