"""Work beside the requests: threads of low priority that end with the process."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

NICENESS = 10


def in_background(work: Callable[[], T], *, yielding: bool = True) -> Future[T]:
    """Do something in a thread of its own, which neither requests nor the end waits for.

    Args:
        work: What to do.
        yielding: Whether at low priority; before the first release there is nothing to yield to.
    """
    future: Future[T] = Future()

    def run() -> None:
        if yielding:
            yield_to_requests()
        try:
            future.set_result(work())
        except BaseException as err:  # noqa: BLE001 (whoever asks for the result is told)
            future.set_exception(err)

    threading.Thread(target=run, name="background", daemon=True).start()
    return future


def yield_to_requests() -> None:
    """Lower the priority of this thread, where the system has one for each (Linux)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
