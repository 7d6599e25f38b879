"""Start server processes, wait until they answer, and stop them all, whatever happens.

Every server runs under a supervisor (`supervisor.py`) in its own process group: Ctrl-C in the
terminal reaches only us, and if we are killed without warning the supervisor notices and ends what
it holds. Output goes to one log file per server; nothing of it is lost or clutters the
terminal. A server that is slow but shows signs of life is waited for, whatever the clock says.
"""

import contextlib
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

import httpx
import psutil

from kinoloop import ownership
from kinoloop.cli import interrupts
from kinoloop.errors import ConfigError, ServerError
from kinoloop.ownership import Owner

logger = logging.getLogger(__name__)

SUPERVISOR = Path(__file__).with_name("supervisor.py")
POLL_S = 0.2
PROGRESS_S = 10.0
ANSWER_S = 30.0
SIGN_OF_LIFE_S = 0.5  # seconds of CPU time that a process which only sleeps does not use
STOP_S = 30.0  # longer than the supervisor takes at worst
LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Server:
    """One process that runs until it is stopped.

    Attributes:
        name: For people and for the log file.
        command: What to run.
        variables: Added to the environment.
        health: Answers 2xx when the server is ready; None: ready once it runs.
        verify: How its certificate is checked, where it speaks HTTPS.
        host: Address that it binds to.
        port: Port that it binds to; None: it binds to none.
        port_setting: Variable that moves the port, named when it is taken.
        patience_s: How long it may show no sign of life before it is ready: it neither computes
            nor writes to its log.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    verify: ssl.SSLContext | bool = True
    host: str = "127.0.0.1"
    port: int | None = None
    port_setting: str = ""
    patience_s: float = 300.0


@dataclass
class _Running:
    server: Server
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float


class Servers:
    """The servers of one command, stopped in reverse order when the block ends.

    Args:
        logs: Folder of the log files.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._owner = Owner.me(logs)
        self._running: dict[str, _Running] = {}
        self._previous: Any = signal.SIG_DFL

    def __enter__(self) -> Self:
        # a plain `kill` of this process stops the servers like Ctrl-C does
        self._previous = signal.signal(signal.SIGTERM, _interrupt)
        interrupts.take(2 * STOP_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        signal.signal(signal.SIGTERM, self._previous)

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def log_file(self, name: str) -> Path:
        """Where the output of a server goes."""
        return self._logs / f"{name}.log"

    def clear(self) -> int:
        """End what a command that was killed has left running on these logs; returns how many."""
        left = ownership.orphans(self._logs)
        ownership.end(left)
        return len(left)

    def start(self, server: Server) -> None:
        """Start a server; `wait` says when it is ready.

        Raises:
            ConfigError: Its port is taken.
        """
        check_port(server)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log_file(server.name).open("wb")
        process = subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-P", str(SUPERVISOR), *server.command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **server.variables, **self._owner.variable},
            start_new_session=True,
        )
        self._running[server.name] = _Running(server, process, log, time.monotonic())
        logger.info("started %s, log in %s", server.name, self.log_file(server.name))

    def wait(self, name: str, *, progress: Callable[[float], None] | None = None) -> float:
        """Wait until a server is ready.

        Args:
            name: Of the server.
            progress: Called with the seconds waited so far, every `PROGRESS_S`.

        Returns:
            Seconds since it was started.

        Raises:
            ServerError: It ended, or has shown no sign of life for its patience.
        """
        running = self._running[name]
        server, pulse = running.server, _Pulse(running.process.pid, self.log_file(name))
        began = reported = time.monotonic()
        while True:
            self.check()
            if server.health is None or _answers(server.health, server.verify):
                return time.monotonic() - running.started
            if progress is not None and time.monotonic() - reported >= PROGRESS_S:
                reported = time.monotonic()
                progress(reported - began)
            silence = pulse.silence()
            if silence > server.patience_s:
                raise ServerError(
                    f"{name} is not ready ({server.health} does not answer), and for "
                    f"{silence:.0f} s it has neither computed nor written anything."
                    f"{self._tail(name)}"
                )
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise if a server has ended by itself.

        Raises:
            ServerError: With the last lines of its log.
        """
        for name, running in self._running.items():
            status = running.process.poll()
            if status is not None:
                raise ServerError(f"{name} ended with status {status}.{self._tail(name)}")

    def watch(self) -> None:
        """Block until a server ends by itself (which raises) or the user interrupts."""
        while True:
            self.check()
            time.sleep(1.0)

    def stop(self) -> None:
        """Stop all servers, the last one first, and wait for them."""
        for running in reversed(self._running.values()):
            if running.process.stdin is not None:
                running.process.stdin.close()  # the supervisor lets go
        for running in reversed(self._running.values()):
            try:
                running.process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            running.log.close()
        self._running.clear()

    def last_line(self, name: str) -> str:
        """Return the newest line of a server's output."""
        lines = self._lines(name)
        return lines[-1].strip()[:160] if lines else ""

    def _tail(self, name: str) -> str:
        path, lines = self.log_file(name), self._lines(name)
        last = "\n".join(lines[-LOG_TAIL_LINES:])
        return f" The end of {path}:\n{last}" if last else f" {path} is empty."

    def _lines(self, name: str) -> list[str]:
        return self.log_file(name).read_text(encoding="utf-8", errors="replace").splitlines()


class _Pulse:
    """Whether a process and what it started still do something.

    Args:
        pid: Of the process.
        log: Where its output goes.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self._pid, self._log = pid, log
        self._last = self._measure()
        self._at = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last sign of life."""
        cpu_s, written = self._measure()
        if abs(cpu_s - self._last[0]) >= SIGN_OF_LIFE_S or written != self._last[1]:
            self._last, self._at = (cpu_s, written), time.monotonic()
        return time.monotonic() - self._at

    def _measure(self) -> tuple[float, int]:
        cpu_s = 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            me = psutil.Process(self._pid)
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    cpu_s += times.user + times.system
        return cpu_s, self._log.stat().st_size


def check_port(server: Server) -> None:
    """Raise if somebody listens on a server's port already.

    Raises:
        ConfigError: Names the variable that moves the port.
    """
    if server.port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as err:
            raise ConfigError(
                f"port {server.port} of {server.name} on {server.host} is in use; stop what "
                f"listens there, or choose another: {server.port_setting}={server.port + 1}"
            ) from err


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(url: str, verify: ssl.SSLContext | bool) -> bool:
    try:
        return httpx.get(url, verify=verify, timeout=ANSWER_S).is_success
    except httpx.HTTPError:
        return False
