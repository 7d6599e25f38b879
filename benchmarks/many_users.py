"""Answers for many users: one batch ÷ single requests, and what single requests notice of it.

    python -m benchmarks.many_users                         # synthetic, the size of MicroLens-50k
    python -m benchmarks.many_users --bundle PATH --users '{}'

Both are measured in turns on the same running service, one worker and one connection: the same
users one after the other, then all in one request. The figure that counts: answers per second of
the batch over those of single requests, and likewise of the worker's CPU. Then single requests are
asked one after the other while batches follow each other, and without: p50 and p99 of both.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.harness.known_key import known_key
from benchmarks.serve import worker_cpu_s
from kinoloop.testing.load import user_ids
from kinoloop.testing.service import running, synthetic_bundle

HEADERS = {"Content-Type": "application/json"}


class Asked:
    """One keep-alive connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)

    def post(self, path: str, body: bytes) -> bytes:
        """Ask, and read the whole answer."""
        self._connection.request("POST", path, body, HEADERS)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {content[:300]!r}")
        return content


def cost(work: Callable[[], int]) -> tuple[float, float]:
    """Answers per second, and CPU ms of the worker per answer."""
    cpu, started = worker_cpu_s(), time.perf_counter()
    answers = work()
    seconds = time.perf_counter() - started
    return answers / seconds, (worker_cpu_s() - cpu) * 1e3 / answers


def latencies(client: Asked, bodies: Sequence[bytes]) -> list[float]:
    """Milliseconds of single requests, one after the other."""
    took = []
    for body in bodies:
        started = time.perf_counter()
        client.post("/recommend", body)
        took.append((time.perf_counter() - started) * 1e3)
    return took


def beside_batches(url: str, batch: bytes, bodies: Sequence[bytes]) -> list[float]:
    """Measure single requests while batches follow each other on another connection."""
    over = threading.Event()

    def others() -> None:
        client = Asked(url)
        while not over.is_set():
            client.post("/recommend/batch", batch)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        return latencies(Asked(url), bodies)
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else one is made")
    parser.add_argument("--kind", default="item_knn", help="recommender of the made bundle")
    parser.add_argument("--batch", type=int, default=200, help="users in one request")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    arguments = parser.parse_args()
    users = user_ids(arguments.users)[: arguments.batch]
    bodies = [json.dumps({"user_id": user}).encode() for user in users]
    batch = json.dumps({"users": users}).encode()
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle
        if bundle is None:
            bundle = synthetic_bundle(Path(folder) / "bundle", kind=arguments.kind)
        key = known_key(bundle, arguments.users)
        state = Path(folder) / "state"
        with running(state, bundle=bundle.resolve(), KINOLOOP_PSEUDONYM_KEY=key) as url:

            def single() -> int:
                return len(latencies(Asked(url), bodies))

            def many() -> int:
                return len(json.loads(Asked(url).post("/recommend/batch", batch))["answers"])

            single(), many()  # the first ones warm the caches
            rounds = [(cost(single), cost(many)) for _ in range(arguments.rounds)]
            quiet: list[float] = []
            beside: list[float] = []
            for _ in range(arguments.rounds):
                quiet += latencies(Asked(url), bodies)
                beside += beside_batches(url, batch, bodies)
    report(rounds, quiet, beside, users=len(users))


def report(
    rounds: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    quiet: Sequence[float],
    beside: Sequence[float],
    *,
    users: int,
) -> None:
    """Print medians over the rounds, and latencies."""
    print(f"{users} users a batch, {len(rounds)} rounds in turns, medians:")
    for name, at in (("single", 0), ("batch", 1)):
        per_s = statistics.median(one[at][0] for one in rounds)
        cpu_ms = statistics.median(one[at][1] for one in rounds)
        print(f"  {name:<8} {per_s:7.0f} answers/s   CPU {cpu_ms:5.2f} ms per answer")
    faster = statistics.median(many[0] / single[0] for single, many in rounds)
    cheaper = statistics.median(single[1] / many[1] for single, many in rounds)
    print(f"  batch ÷ single: {faster:.2f} times the answers per second, CPU 1/{cheaper:.2f}")
    for name, took in (("alone", quiet), ("beside batches", beside)):
        p50, p99 = np.percentile(took, [50, 99])
        print(f"  single requests {name:<15} p50 {p50:6.2f}   p99 {p99:6.2f} ms")


if __name__ == "__main__":
    main()
