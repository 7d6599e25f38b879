"""Locks between processes of one machine: hold one, tell what is waited for, wait only so long."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kinoloop import durable
from kinoloop.errors import KinoloopError

logger = logging.getLogger(__name__)

TOLD_AFTER_S = 1.0
"""A commit of another process takes less; to tell of it would only be noise."""


@contextmanager
def held(
    path: Path, what: str, *, wait_s: float, error: type[KinoloopError] = KinoloopError
) -> Iterator[None]:
    """Hold a lock; where another process or thread has it, say so once and wait.

    The lock is the operating system's: it dies with its owner, however that ends.

    Args:
        path: Its file, made with its folder where it is missing.
        what: Who holds such a lock, a noun such as `retrain`; told while waiting and on failure.
        wait_s: How long to wait, seconds; 0 does not wait.
        error: Raised where it is held for longer.

    Raises:
        KinoloopError: As `error`: another holds it for longer than `wait_s`.
    """
    durable.make_folder(path.parent)
    lock = FileLock(path)
    try:
        if wait_s <= TOLD_AFTER_S:
            lock.acquire(timeout=wait_s)
        elif not _taken(lock, TOLD_AFTER_S):
            logger.warning("another %s runs; waiting for it, at most %g s", what, wait_s)
            lock.acquire(timeout=wait_s - TOLD_AFTER_S)
    except Timeout as err:
        raise error(
            f"another {what} holds {path} for more than {wait_s:g} s; wait until it has ended, "
            "then run again"
        ) from err
    try:
        yield
    finally:
        lock.release()


def _taken(lock: FileLock, wait_s: float) -> bool:
    """Take a lock that is free, or soon is."""
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        return False
    return True
