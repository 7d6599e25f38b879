"""Standby workers: a worker that dies is replaced at once by one that has started already.

A new process takes seconds before it can answer, nearly all of it imports, and on a busy machine
several times that; and BentoML looks only every ten seconds whether a worker has died. So there are
more processes than workers. As many as there are workers hold a place, a file lock that the kernel
takes away from a process the moment it dies, however it dies. The others have imported everything
and wait for a place; they hold no release and answer nobody. What BentoML starts in the place of
the dead one is the next standby worker.
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

READY, STANDBY = "ready", "standby.lock"
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
        self._held = self._folder is None  # started by something else: there are no standby workers
        self._parent = os.getppid()

    def take(self, *, prepare: Callable[[], None]) -> None:
        """Return once this process has a place.

        Args:
            prepare: What a standby worker can do before it has one, such as imports. It does so
                once the others serve: beside them it would only make them late.
        """
        with _interruptible():
            while not (self._standbys_are_dead() and self._take()) and not self._all_ready():
                self._look_later()
            with self._as_standby():
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
        self._held = self._held or any(map(self._lock, range(self._workers)))
        return self._held

    def _standbys_are_dead(self) -> bool:
        """Whether nobody is nearer to a free place than one who has just started."""
        if self._held:
            return True
        assert self._folder is not None
        with (self._folder / STANDBY).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    @contextmanager
    def _as_standby(self) -> Iterator[None]:
        """Show those who start later that they are not the next, unless this is a worker."""
        if self._held:
            yield
            return
        assert self._folder is not None
        with (self._folder / STANDBY).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def _lock(self, number: int) -> bool:
        """Take a place for as long as this process lives; False where another has it."""
        assert self._folder is not None
        lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        return True


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
