"""Start server processes, wait until they answer, and stop them all, whatever happens.

Every server runs on a leash (`leash.py`) in its own process group: Ctrl-C in the terminal reaches
only us, and if we are killed without warning the leash notices and ends what it holds. Output goes
to one log file a server; nothing of it is lost and nothing of it clutters the terminal.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

import httpx

from kinoloop.errors import ConfigError, ServerError

logger = logging.getLogger(__name__)

LEASH = Path(__file__).with_name("leash.py")
POLL_S = 0.2
TELL_S = 10.0
STOP_S = 30.0  # longer than the leash takes at worst
LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Server:
    """One process that runs until it is stopped.

    Attributes:
        name: For people and for the log file.
        command: What to run.
        variables: Added to the environment.
        health: Answers 2xx when the server is ready; None: ready once it runs.
        host: Address that it binds to.
        port: Port that it binds to; None: it binds to none.
        port_setting: Variable that moves the port, named when it is taken.
        patience_s: How long it may take to become ready.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
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
        self._running: dict[str, _Running] = {}
        self._previous: Any = signal.SIG_DFL

    def __enter__(self) -> Self:
        # a plain `kill` of this process stops the servers like Ctrl-C does
        self._previous = signal.signal(signal.SIGTERM, _interrupt)
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

    def start(self, server: Server) -> None:
        """Start a server; `wait` says when it is ready.

        Raises:
            ConfigError: Its port is taken.
        """
        check_port(server)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log_file(server.name).open("wb")
        process = subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-P", str(LEASH), *server.command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **server.variables},
            start_new_session=True,
        )
        self._running[server.name] = _Running(server, process, log, time.monotonic())
        logger.info("started %s, log in %s", server.name, self.log_file(server.name))

    def wait(self, name: str, *, tell: Callable[[float], None] | None = None) -> float:
        """Wait until a server is ready.

        Args:
            name: Of the server.
            tell: Is told the seconds waited so far, every `TELL_S`.

        Returns:
            Seconds since it was started.

        Raises:
            ServerError: It ended, or did not get ready in its time from now.
        """
        running = self._running[name]
        server, began = running.server, time.monotonic()
        told = began
        while True:
            self.check()
            if server.health is None or _answers(server.health):
                return time.monotonic() - running.started
            if time.monotonic() - began > server.patience_s:
                raise ServerError(
                    f"{name} was not ready after {server.patience_s:.0f} s "
                    f"({server.health} does not answer).{self._tail(name)}"
                )
            if tell is not None and time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                tell(told - began)
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
                running.process.stdin.close()  # the leash lets go
        for running in reversed(self._running.values()):
            try:
                running.process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            running.log.close()
        self._running.clear()

    def _tail(self, name: str) -> str:
        path = self.log_file(name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        last = "\n".join(lines[-LOG_TAIL_LINES:])
        return f" The end of {path}:\n{last}" if last else f" {path} is empty."


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


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).is_success
    except httpx.HTTPError:
        return False
