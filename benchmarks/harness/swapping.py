"""Catalogue swaps and takedowns of a service that people ask at a steady rate."""

import http.client
import json
import os
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

from benchmarks.harness.up import Traffic

ASKED = "video-4"
PATIENCE_S = 600.0


@dataclass
class Asking:
    """One connection that asks `/similar` again and again.

    Attributes:
        port: Its own end, by which the worker at the other end is found.
        held: Moment and videos of each answer.
        refused: Answers that were no slate, by status and error.
    """

    url: str
    port: int = 0
    held: list[tuple[float, set[str]]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def run(self, done: threading.Event, pause_s: float) -> None:
        """Ask until all is done."""
        host = urlsplit(self.url).netloc
        body = json.dumps({"video_id": ASKED, "top_k": 100})
        connection = http.client.HTTPConnection(host, timeout=60)
        while not done.is_set():
            try:
                connection.request("POST", "/similar", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as err:
                self.refused[type(err).__name__] += 1
                connection.close()
                continue
            if answer.status != 200:
                self.refused[f"{answer.status} {content.get('error')}"] += 1
            else:
                self.held.append((time.monotonic(), {one["video_id"] for one in content["slate"]}))
            if connection.sock is not None:
                self.port = connection.sock.getsockname()[1]
            time.sleep(pause_s)
        connection.close()


def _owner(port: int) -> int:
    """Process at the other end of one of our connections."""
    for process in psutil.process_iter():
        try:
            for one in process.net_connections("tcp"):
                if one.raddr and one.raddr.port == port:
                    return process.pid
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return 0


@contextmanager
def asking(url: str, connections: int) -> Iterator[list[Asking]]:
    """Ask over some connections, so that each worker has several."""
    done, all_of_them = threading.Event(), [Asking(url) for _ in range(connections)]
    threads = [threading.Thread(target=one.run, args=(done, 0.1)) for one in all_of_them]
    for thread in threads:
        thread.start()
    try:
        yield all_of_them
    finally:
        done.set()
        for thread in threads:
            thread.join()


def swap(
    url: str,
    publish: Callable[[], int],
    *,
    workers: int,
    count: int,
    rate: float,
    requests: int,
) -> None:
    """Publish `count` versions beside at least `requests` requests, and say what became of both.

    Args:
        url: Of the service.
        publish: Makes and stores the next version; returns its number.
        workers: Of the service; nobody asks before each has a release.
        count: Of swaps.
        rate: Requests per second.
        requests: At least, of both kinds.
    """
    until_ready(url, workers)
    until_serves(url, 0)
    traffic, began = Traffic(url, rate), time.monotonic()
    with asking(url, 4) as others:
        time.sleep(20)
        first = time.monotonic()
        for done in range(count):
            until_serves(url, publish())
            while _answered(traffic, others) < requests * (done + 1) / count:
                time.sleep(0.1)
        ended = time.monotonic()
    traffic.end()
    refused = sum((one.refused for one in others), Counter[str]())
    print(f"before: {traffic.said(began, first)}")
    print(f"{count} swaps: {traffic.said(first, ended)}; load {os.getloadavg()[0]:.1f}")
    print(f"/similar meanwhile: {sum(len(one.held) for one in others)} slates, ", end="")
    print(f"not answered: {dict(refused) or 'none'}")
    refusals = [line for line in _metrics(url) if line.startswith("kinoloop_refused_total")]
    print("refused, by reason:", refusals)


def take_down(url: str, operator: str, *, workers: int, count: int, rate: float) -> None:
    """Take videos down under load; the last answer of each worker that held one of them."""
    until_ready(url, workers)
    traffic, late = Traffic(url, rate), defaultdict[int, list[float]](list)
    with asking(url, 8) as others:
        time.sleep(10)
        owners = {one.port: _owner(one.port) for one in others}
        for target in sorted(others[0].held[-1][1] - {ASKED})[:count]:
            request = urllib.request.Request(
                f"{url}/videos/{target}",
                method="DELETE",
                headers={"Authorization": f"Bearer {operator}"},
            )
            urllib.request.urlopen(request, timeout=60).read()
            acknowledged = time.monotonic()
            time.sleep(5)
            for one in others:
                last = max((at for at, ids in one.held if target in ids), default=acknowledged)
                late[owners.get(one.port, 0)].append(max(0.0, last - acknowledged))
    traffic.end()
    for worker, seconds in late.items():
        print(f"worker {worker}: last answer that held it {max(seconds):.2f} s late, at most, ")
        print(f"  of {len(seconds)} observations; load {os.getloadavg()[0]:.1f}")


def _answered(traffic: Traffic, others: list[Asking]) -> int:
    return len(traffic.answers) + sum(len(one.held) for one in others)


def until_ready(url: str, workers: int) -> None:
    """Wait until each worker has a release.

    Raises:
        TimeoutError: One has none.
    """
    end = time.monotonic() + PATIENCE_S
    while f"kinoloop_ready_workers {float(workers)}" not in _metrics(url):
        if time.monotonic() > end:
            raise TimeoutError(f"fewer than {workers} workers have a release")
        time.sleep(0.2)


def _metrics(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines: list[str] = answer.read().decode().splitlines()
    return lines


def until_serves(url: str, number: int) -> None:
    """Wait until eight answers in a row come from a catalogue version.

    Raises:
        TimeoutError: They do not.
    """
    in_a_row, end = 0, time.monotonic() + PATIENCE_S
    while in_a_row < 8:
        with urllib.request.urlopen(f"{url}/about", timeout=60) as answer:
            release = json.loads(answer.read())["release"]  # None: a worker that starts
        now = release and release["catalogue_number"]
        in_a_row = in_a_row + 1 if now == number else 0
        if time.monotonic() > end:
            raise TimeoutError(f"catalogue version {number} was not taken up")
        time.sleep(0.02)
