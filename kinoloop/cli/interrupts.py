"""Ctrl-C: the command says one line, stops, and is gone within seconds, whatever it was doing.

All that a command writes is whole after a kill at any moment, so nothing has to be waited for. The
first Ctrl-C interrupts the main thread, which tells Prefect that the run is over; after the grace,
or at the second Ctrl-C, the process ends with what it started. A thread of its own listens, since
Python runs a handler only between two steps of the main thread, which may be deep in a library.
What libraries say about being interrupted is of no use to anybody and is not shown.
"""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

STATUS = 130  # 128 + SIGINT, as shells report it
GRACE_S = 5.0
SAID = b"\nStopping; what was committed is kept. Ctrl-C again ends it at once.\n"
SHOW_CURSOR = b"\x1b[?25h"  # a spinner that was killed has hidden it


class _Interrupts:
    """What has come of the keyboard so far; there is one per process."""

    def __init__(self) -> None:
        self.grace_s = GRACE_S
        self.came = self.meant = False
        self._said = threading.Lock()

    def listen(self) -> None:
        """Take over Ctrl-C until the process ends."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, self._handle)
        threading.Thread(target=self._watch, args=(read,), name="Ctrl-C", daemon=True).start()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.announce()
        raise KeyboardInterrupt

    def _watch(self, signals: int) -> None:
        _next_interrupt(signals)
        self.announce()
        _next_interrupt(signals, within_s=self.grace_s)
        end()

    def announce(self) -> None:
        """Say it, once, and be silent from then on."""
        if not self._said.acquire(blocking=False):
            return
        self.came = True
        with contextlib.suppress(OSError):  # nobody reads what we say
            os.write(2, SAID + (SHOW_CURSOR if os.isatty(2) else b""))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)


interrupts_of_this_process = _Interrupts()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Run the command; the process ends here if it was interrupted.

    A process that was started deaf to Ctrl-C (in the background of a script) stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        interrupts_of_this_process.listen()
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as err:
        if isinstance(err, KeyboardInterrupt) or err.code == STATUS:
            interrupts_of_this_process.announce()  # Polars hears it first while it computes
        raise
    finally:
        if interrupts_of_this_process.came and not interrupts_of_this_process.meant:
            end()


def take(seconds: float) -> None:
    """Allow the command so long to stop, because it holds what has to be stopped in order."""
    interrupts_of_this_process.grace_s = max(interrupts_of_this_process.grace_s, seconds)


def mean_it() -> None:
    """Ctrl-C is how this command is ended: its exit status is its own."""
    interrupts_of_this_process.meant = True


def end() -> NoReturn:
    """End this process and what it started in its own process group, at once."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        if os.isatty(1):
            os.write(1, SHOW_CURSOR)
    import psutil  # only here: what the command lacks is said by the command

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(child.pid) == os.getpgrp():  # what has its own is supervised
                child.kill()
    os._exit(STATUS)


def _next_interrupt(signals: int, *, within_s: float | None = None) -> None:
    """Wait until Ctrl-C comes, or the time is over."""
    while select.select([signals], [], [], within_s)[0]:
        if signal.SIGINT in os.read(signals, 1):
            return
