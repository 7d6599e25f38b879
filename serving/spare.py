"""Spare workers: a worker that dies is replaced at once by one that has started already.

A new process takes seconds before it can answer, nearly all of it imports, and on a busy machine
several times that; and BentoML looks only every ten seconds whether a worker has died. So there are
more processes than workers. As many as there are workers hold a place, a file lock that the kernel
takes away from a process the moment it dies, however it dies. The others have imported everything
and wait for a place; they hold no release and answer nobody. What BentoML starts in the place of
the dead one is the next spare.
"""

import atexit
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "KINOLOOP_WORKER_PLACES"
"""Variable that names the folder of the locks; the process that starts the workers sets it."""

READY = "ready"
LOOK_S = 0.1


def prepare() -> None:
    """Make the folder of places, in the process that starts the workers; it goes with it."""
    folder = tempfile.mkdtemp(prefix="kinoloop-workers-")
    os.environ[FOLDER] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


class Place:
    """The place of this process among the workers.

    Args:
        workers: How many places there are.
    """

    def __init__(self, workers: int) -> None:
        self._folder = Path(os.environ[FOLDER]) if FOLDER in os.environ else None
        self._workers = workers
        self._held = self._folder is None  # started by something else: there are no spares
        self._parent = os.getppid()

    def take(self, *, prepare: Callable[[], None]) -> None:
        """Return once this process has a place.

        Args:
            prepare: What a spare can do before it has one, such as imports. It does so once the
                others serve: beside them it would only make them late.
        """
        with _interruptible():
            while not self._take() and not self._all_ready():
                self._look_later()
            prepare()
            while not self._take():
                self._look_later()

    def ready(self) -> None:
        """Say that this worker serves."""
        if self._folder is not None:
            (self._folder / f"{READY}-{os.getpid()}").touch()

    def _look_later(self) -> None:
        if os.getppid() != self._parent:  # it is gone without a word, and the service with it
            raise SystemExit(1)
        time.sleep(LOOK_S)

    def _all_ready(self) -> bool:
        assert self._folder is not None
        return len(list(self._folder.glob(f"{READY}-*"))) >= self._workers

    def _take(self) -> bool:
        for number in range(0 if self._held else self._workers):
            assert self._folder is not None
            # never closed: the lock is to last as long as the process
            lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                self._held = True
                break
        return self._held


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end a process that has nothing to finish."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
