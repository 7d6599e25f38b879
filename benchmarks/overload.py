"""Ten times the load, idle sockets, slow headers, a killed worker: what the others notice.

    python -m benchmarks.overload
    python -m benchmarks.overload --bundle PATH --users '{}'

Requests come at a rate (benchmarks/harness/arrivals.py), from a process of its own. Normal load is
half of what one client that never pauses gets answered; overload is ten times that. What counts is
held against the same service under normal load in the same minute, so a busy machine hits both.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.harness.known_key import known_key
from kinoloop.testing.load import load, requests_for, user_ids
from kinoloop.testing.service import running, synthetic_bundle

Answers = list[tuple[float, float, int]]
IDLE, SLOW = 1000, 200


def arrivals(url: str, rate: float, seconds: float, users: str) -> Answers:
    """One run of the generator."""
    command = [sys.executable, "-m", "benchmarks.harness.arrivals", "--url", url]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--users", users]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    arrived = json.loads(answer.stdout)
    late = np.percentile(arrived["late"], [99, 100]) * 1000
    broken = f", broken: {arrived['broken']}" if arrived["broken"] else ""
    print(f"  the generator's own turns: p99 {late[0]:.1f}, longest {late[1]:.1f} ms CPU{broken}")
    answers: Answers = arrived["answers"]
    return answers


def p(share: float, answers: Sequence[tuple[float, float, int]]) -> float:
    """Percentile of the latency, ms."""
    return float(np.percentile([latency for _, latency, _ in answers] or [np.nan], share)) * 1000


def report(name: str, answers: Answers) -> tuple[Answers, Answers]:
    """Print one run; its admitted and its refused requests."""
    admitted = [one for one in answers if one[2] == 200]
    refused = [one for one in answers if one[2] == 429]
    line = f"  {name:<10} {len(answers):6d} sent  {len(admitted):6d} answered"
    line += f" p50 {p(50, admitted):7.1f} p99 {p(99, admitted):7.1f} ms"
    if refused:
        line += (
            f"   {len(refused):6d} refused p50 {p(50, refused):6.1f} p99 {p(99, refused):6.1f} ms"
        )
    broken = len(answers) - len(admitted) - len(refused)
    print(f"{line}   {broken} broken", flush=True)
    return admitted, refused


def overload(url: str, *, seconds: float, users: str) -> None:
    """Put normal load on the service, then ten times that, and time until all is as before."""
    requests = requests_for(url, "/recommend", user_ids(users))
    good, _ = asyncio.run(load(url, requests, clients=1, seconds=seconds / 2))
    rate = len(good) / (seconds / 2) / 2
    print(f"normal load: {rate:.0f} requests/s")
    normal, _ = report("normal", arrivals(url, rate, seconds, users))
    high, _ = report("10 x", arrivals(url, 10 * rate, seconds, users))
    ended = time.monotonic()
    print(f"  p99 of the admitted: {p(99, high) / p(99, normal):.2f} x that at normal load")
    after, refused = report("after", arrivals(url, rate, seconds / 2, users))
    slow = [start for start, took, _ in after if took * 1000 > p(99, normal)]
    late = [start for start, _, _ in refused] + (slow if len(slow) > len(after) / 20 else [])
    print(f"  last refusal or slow answer {max(late, default=ended) - ended:.1f} s after the load")


def hold(url: str, count: int, sent: bytes) -> list[socket.socket]:
    """Open sockets, and send a little on each."""
    parts, held = urlsplit(url), []
    for _ in range(count):
        client = socket.create_connection((parts.hostname, parts.port), timeout=30)
        if sent:
            client.sendall(sent)
        held.append(client)
    return held


def closed(client: socket.socket) -> bool:
    """Whether the service has closed it."""
    client.settimeout(0)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def sockets(url: str, *, users: str) -> None:
    """Sockets that are only held."""
    for name, count, sent in (
        ("idle", IDLE, b""),
        ("slow headers", SLOW, b"GET /about HTTP/1.1\r\nhost: local"),
    ):
        held = hold(url, count, sent)
        report(name, arrivals(url, 20, 3, users))
        time.sleep(12)  # header_s is 10
        left = sum(not closed(client) for client in held)
        print(f"  {count} sockets, {name}: {left} are open 15 s later")
        for client in held:
            client.close()


def killed(url: str, *, times: int) -> None:
    """Kill the one worker and time how long until the service answers again."""
    took = []
    for _ in range(times):
        worker = serving_worker(spares=1)
        worker.kill()
        started = time.monotonic()
        while not answers(f"{url}/readyz"):
            time.sleep(0.02)
        took.append(time.monotonic() - started)
    if not took:
        return
    line = ", ".join(f"{seconds:.1f}" for seconds in took)
    print(f"  killed worker: answers again after {line} s (median {statistics.median(took):.1f} s)")


def serving_worker(*, spares: int) -> psutil.Process:
    """Find the worker that answers, once the spares beside it have nothing left to do."""
    while True:
        workers = [
            process
            for process in psutil.Process().children(recursive=True)
            if process.status() != psutil.STATUS_ZOMBIE
            and "_bentoml_impl.worker.service" in process.cmdline()
        ]
        busy = [w for w in workers if any(f.path.endswith("live.db") for f in w.open_files())]
        before = [w.cpu_times().user for w in workers]
        time.sleep(2)
        quiet = all(w.cpu_times().user - was < 0.1 for w, was in zip(workers, before, strict=True))
        if quiet and len(busy) == 1 and len(workers) == 1 + spares:
            return busy[0]


def answers(url: str) -> bool:
    """Whether it does."""
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except OSError:
        return False


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else one is made")
    parser.add_argument("--kind", default="item_knn", help="recommender of the made bundle")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = options.bundle or synthetic_bundle(folder / "bundle", kind=options.kind)
        key = known_key(bundle, options.users)
        with running(folder / "state", bundle=bundle.resolve(), KINOLOOP_PSEUDONYM_KEY=key) as url:
            print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            overload(url, seconds=options.seconds, users=options.users)
            sockets(url, users=options.users)
            killed(url, times=options.kills)
            print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
