"""Ctrl-C and SIGTERM: the command says one line, stops, and is gone within seconds.

All that a command writes is whole after a kill at any moment, so nothing has to be waited for. The
first signal interrupts the main thread, which tells Prefect that the run is over; after the grace,
or at the second one, the process ends with what it started. A thread of its own listens, since
Python runs a handler only between two steps of the main thread, which may be deep in a library, and
since Prefect handles SIGTERM itself during a run. What libraries say about being interrupted is of
no use to anybody and is not shown.
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

GRACE_S = 5.0
SAID = {
    signal.SIGINT: b"\nStopping; what was committed is kept. Ctrl-C again ends it at once.\n",
    signal.SIGTERM: b"\nStopping, as SIGTERM asks; what was committed is kept.\n",
}
STATUSES = {128 + number: number for number in SAID}  # as shells report them
SHOW_CURSOR = b"\x1b[?25h"  # a spinner that was killed has hidden it


class _Interrupts:
    """Which signal has come so far; there is one of these per process."""

    def __init__(self) -> None:
        self.grace_s = GRACE_S
        self.came: signal.Signals | None = None  # the first
        self.meant = False
        self._said = threading.Lock()

    def listen(self) -> None:
        """Take over the signals until the process ends.

        A process that was started deaf to one (to Ctrl-C: in the background of a script) stays so.
        """
        heeded = (signal.default_int_handler, signal.SIG_DFL)
        numbers = [number for number in SAID if signal.getsignal(number) in heeded]
        if not numbers:
            return
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        os.register_at_fork(
            before=_hold_signals,
            after_in_parent=_let_signals_come,
            after_in_child=_hear_for_itself,
        )
        for number in numbers:
            signal.signal(number, self._handle)
        threading.Thread(target=self._watch, args=(read,), name="signals", daemon=True).start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.announce(signal.Signals(number))
        raise KeyboardInterrupt

    def _watch(self, signals: int) -> None:
        first = _next_signal(signals)
        assert first is not None, "waited for ever"
        self.announce(first)
        _next_signal(signals, within_s=self.grace_s)
        end()

    def announce(self, number: signal.Signals) -> None:
        """Say it, once, and be silent from then on."""
        if not self._said.acquire(blocking=False):
            return
        self.came = number
        with contextlib.suppress(OSError):  # nobody reads what we say
            os.write(2, SAID[number] + (SHOW_CURSOR if os.isatty(2) else b""))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)


interrupts_of_this_process = _Interrupts()
_forking = threading.local()  # what a thread had blocked before its fork


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Run the command; the process ends here if it was interrupted."""
    interrupts_of_this_process.listen()
    try:
        yield
    except BaseException as err:
        if (number := _behind(err)) is not None:
            interrupts_of_this_process.announce(number)  # where a library heard it first
        raise
    finally:
        if interrupts_of_this_process.came and not interrupts_of_this_process.meant:
            end()


def take(seconds: float) -> None:
    """Allow the command so long to stop, because it holds what has to be stopped in order."""
    interrupts_of_this_process.grace_s = max(interrupts_of_this_process.grace_s, seconds)


def mean_it() -> None:
    """Let the command have its own exit status: a signal is how it is ended."""
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
    os._exit(128 + (interrupts_of_this_process.came or signal.SIGINT))


def _behind(err: BaseException) -> signal.Signals | None:
    """Return the signal that an exception stands for; None: it is not about one."""
    if isinstance(err, KeyboardInterrupt):  # Polars raises it itself while it computes
        return signal.SIGINT
    if isinstance(err, SystemExit):
        return STATUSES.get(err.code) if isinstance(err.code, int) else None
    number = getattr(err, "signal", None)  # of Prefect's TerminationSignal
    return signal.SIGTERM if number == signal.SIGTERM else None


def _hold_signals() -> None:
    """Let a signal wait while this thread forks: Python would forget it in the new process."""
    _forking.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SAID)


def _let_signals_come() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.blocked)


def _hear_for_itself() -> None:
    """Let a forked process die of a signal, instead of telling its parent of it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_signals_come()


def _next_signal(signals: int, *, within_s: float | None = None) -> signal.Signals | None:
    """Wait until one of ours comes; None: the time is over."""
    while select.select([signals], [], [], within_s)[0]:
        number = os.read(signals, 1)[0]
        if number in SAID:
            return signal.Signals(number)
    return None
