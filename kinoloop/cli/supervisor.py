"""Run a command under supervision: it and all that it starts end when the owner lets go.

    python supervisor.py COMMAND…          # owner holds the other end of standard input

Letting go is closing standard input, which also happens when the owner is killed without warning,
or a SIGTERM. The command is asked to stop (SIGTERM) and waited for; descendants that it leaves
behind are asked, too, and at last killed. Where the supervisor itself is killed, Linux asks the
command to stop. Run as a script: it needs psutil and nothing of Kinoloop.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

import psutil

GRACE_S = 15.0  # for the command itself
REST_S = 5.0  # for what it leaves behind, twice
PR_SET_PDEATHSIG = 1  # linux/prctl.h: the kernel signals the command when the supervisor is gone
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: orphans of the command become ours, so none is lost


class _LetGo(BaseException):
    """The owner let go."""


def main(command: list[str]) -> int:
    """Run the command until it ends or the owner lets go; returns its exit status."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _let_go)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    status, child = 0, None
    try:
        child = psutil.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_supervisor)
        threading.Thread(target=_watch_owner, daemon=True).start()
        status = child.wait()
    except _LetGo:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if child is not None:
            child.terminate()
    _sweep(child)
    return status


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _end_with_supervisor() -> None:
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _let_go(_number: int, _frame: FrameType | None) -> None:
    raise _LetGo


def _watch_owner() -> None:
    while os.read(0, 1024):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _sweep(child: psutil.Popen | None) -> None:
    """Give the command its grace; then ask, then force, whatever it left behind."""
    if child is not None:
        psutil.wait_procs([child], timeout=GRACE_S)
    _, left = psutil.wait_procs(_end(psutil.Process.terminate), timeout=REST_S)
    if left:
        psutil.wait_procs(_end(psutil.Process.kill), timeout=REST_S)


def _end(how: Callable[[psutil.Process], None]) -> list[psutil.Process]:
    """Do something to every descendant; one that is gone meanwhile is none."""
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            how(process)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
