"""`kinoloop up` on free ports, and people who ask its service at a steady rate."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.harness.verbs import REPOSITORY

UP = "Ctrl-C stops everything"
STOP_S = 600.0  # and no run of it hangs for ever


def free_ports() -> list[int]:
    """Return three ports that nobody listens on."""
    probes = [socket.socket() for _ in range(3)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def up(home: Path, variables: dict[str, str]) -> Iterator[str]:
    """Run `kinoloop up`; yields the address of its service."""
    prefect, mlflow, service = free_ports()
    ports = {"PREFECT": prefect, "MLFLOW": mlflow, "SERVICE": service}
    variables = variables | {f"KINOLOOP_{name}_PORT": str(port) for name, port in ports.items()}
    said = home / "up.txt"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kinoloop.cli", "up"],
            cwd=REPOSITORY,
            env=variables,
            stdout=log,
            stderr=log,
        )
    try:
        while UP not in said.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"up ended:\n{said.read_text()}")
            time.sleep(0.5)
        url = f"http://127.0.0.1:{service}"
        while not httpx.get(f"{url}/readyz", timeout=60).is_success:
            time.sleep(0.5)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


class Traffic:
    """Slates asked for at a steady rate, by a process of its own, piece by piece."""

    def __init__(self, url: str, rate: float) -> None:
        self._command = [sys.executable, "-m", "benchmarks.harness.arrivals", "--url", url]
        self._command += ["--rate", str(rate), "--seconds", "10", "--users", "user-{:04d}"]
        self.answers: list[tuple[float, float, int]] = []
        self._broken: Counter[str] = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.is_set():
            done = subprocess.run(
                self._command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True
            )
            arrived = json.loads(done.stdout)
            self.answers += [tuple(answer) for answer in arrived["answers"]]
            self._broken.update(arrived["broken"])

    def end(self) -> None:
        """Ask no more."""
        self._done.set()
        self._thread.join()

    def said(self, start: float, end: float) -> str:
        """Tell of the answers to what was asked in a time."""
        part = [answer for answer in self.answers if start <= answer[0] < end]
        refused = Counter(status for _, _, status in part if status != 200)
        failed = f"{refused.total()} failed"
        if refused:  # of all pieces: a connection breaks at no known moment
            failed += f" (by status {dict(refused)}, broken connections {dict(self._broken)})"
        p50, p99 = np.percentile([1000 * latency for _, latency, _ in part], [50, 99])
        return f"{len(part)} requests, {failed}, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
