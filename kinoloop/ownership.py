"""Processes that belong to a `kinoloop up`, and must not outlive it.

Every server that `up` starts, and all that they start in turn, carries in its environment who the
owner is. Whoever finds such a process can tell whether its owner lives, however the tree between
them was killed: a flow ends itself when its owner is gone, and the next `up` ends what is left.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

logger = logging.getLogger(__name__)

OWNER = "KINOLOOP_OWNER"
SAME_S = 2.0  # the system gives its own start to the second
WATCH_S = 2.0
REFUSED_S = 120.0
GRACE_S = 20.0  # for tasks to clean up; then the process ends whatever they do


@dataclass(frozen=True)
class Owner:
    """The process that started something.

    Attributes:
        pid: Its number.
        since: When it was created, seconds after the machine's start; numbers are used again, and
            the wall clock is set while processes run.
        place: Folder of the state that it works on.
    """

    pid: int
    since: float
    place: str

    @classmethod
    def me(cls, place: Path) -> "Owner":
        """Describe this process."""
        return cls.by_number(os.getpid(), place)

    @classmethod
    def by_number(cls, pid: int, place: Path) -> "Owner":
        """Describe a process that runs."""
        return cls(pid, _since_boot(psutil.Process(pid)), str(place.resolve()))

    @classmethod
    def of(cls, environment: dict[str, str]) -> "Owner | None":
        """Whom a process belongs to by its environment; None: to nobody of ours."""
        pid, _, rest = environment.get(OWNER, "").partition(":")
        since, _, place = rest.partition(":")
        try:
            return cls(int(pid), float(since), place)
        except ValueError:
            return None

    @property
    def variable(self) -> dict[str, str]:
        """What its processes carry."""
        return {OWNER: f"{self.pid}:{self.since!r}:{self.place}"}

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        try:
            process = psutil.Process(self.pid)
            zombie = process.status() == psutil.STATUS_ZOMBIE
            return not zombie and abs(_since_boot(process) - self.since) < SAME_S
        except psutil.NoSuchProcess:
            return False


def _since_boot(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())


def environments() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Every process of this user with the environment that it was started with."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process, process.environ()


def orphans(place: Path) -> list[psutil.Process]:
    """Find processes of this state folder whose owner is gone."""
    wanted, found = str(place.resolve()), []
    for process, environment in environments():
        owner = Owner.of(environment)
        if owner is not None and owner.place == wanted and not owner.lives:
            found.append(process)
    return found


def end(processes: list[psutil.Process], *, grace_s: float = GRACE_S) -> None:
    """Ask processes to stop; what still runs after the grace is killed."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(processes, timeout=grace_s)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=grace_s)


def end_with_owner() -> None:
    """Let this process end soon after its owner is gone; a process that belongs to nobody stays."""
    owner = Owner.of(dict(os.environ))
    if owner is not None:
        threading.Thread(target=_watch_owner, args=(owner,), name="owner", daemon=True).start()


def end_without(server: str | None) -> None:
    """Let this process end when a server that answered has refused connections for `REFUSED_S`.

    A client that tries each of its last messages again and again would keep it for many minutes.
    A server that is slow, or one that starts again, refuses nothing for so long.

    Args:
        server: Its URL; None: there is none.
    """
    if server is not None:
        threading.Thread(target=_watch_server, args=(server,), name="server", daemon=True).start()


def _watch_owner(owner: Owner) -> None:
    while owner.lives:
        time.sleep(WATCH_S)
    _end_this(f"`kinoloop up` (process {owner.pid}) is gone: this run ends with it")


def _watch_server(server: str) -> None:
    url = urlsplit(server)
    address = (url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
    answered = float("inf")  # one that is still starting has not gone
    while time.monotonic() - answered < REFUSED_S:
        try:
            socket.create_connection(address, timeout=REFUSED_S).close()
        except ConnectionRefusedError:
            pass
        except OSError:  # slow, or the network is; no sign that nobody is there
            answered = time.monotonic()
        else:
            answered = time.monotonic()
        time.sleep(WATCH_S)
    _end_this(f"{server} has refused connections for {REFUSED_S:.0f} s: this run ends")


def _end_this(why: str) -> None:
    """Ask this process to end, and end it when it does not."""
    sys.stderr.write(f"{why}. What was committed is kept; start it again.\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)
