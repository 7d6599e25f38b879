"""How fast the service answers: `/recommend` against a no-op endpoint of the same running service.

    python -m benchmarks.serve     # with and without a ranker, 19,220 videos
    python -m benchmarks.serve --videos 19220 100000
    python -m benchmarks.serve --kind '{"kind": "sequence", "epochs": 1}'
    python -m benchmarks.serve --bundle PATH --users '{}'   # a real release and its user ids
    python -m benchmarks.serve --old PATH                   # beside the service of another checkout

All services of a size run side by side and are asked in turns, so that a busy moment of the machine
hits all; the client is a process of its own (benchmarks/harness/load.py). What counts: p50 of
/recommend over p50 of /noop with one client, the slowest answer over p50, and answers per second of
CPU time of the worker with 16 clients. `/noop` goes all the way through BentoML, whatever way the
hot routes take, and does nothing there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.harness.known_key import known_key
from kinoloop.testing.service import running, synthetic_bundle

PATHS = ("/noop", "/recommend")
LOAD = (sys.executable, "-m", "benchmarks.harness.load")


@dataclass
class Runs:
    """What one path of one service was measured to take, a number a round.

    Attributes:
        latencies_ms: Of every answer.
        cpu_ms: CPU time of the worker per request.
        failed: Requests.
    """

    latencies_ms: list[np.ndarray] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def p50_ms(self) -> float:
        """Of the middle round."""
        return float(np.median([np.median(ms) for ms in self.latencies_ms]))

    def __str__(self) -> str:
        every = np.concatenate(self.latencies_ms)
        cpu = float(np.median(self.cpu_ms))
        return (
            f"p50 {self.p50_ms:6.2f} ms   p99 {np.percentile(every, 99):6.2f} ms   "
            f"max {every.max():6.1f} ms of {len(every):,}: {every.max() / self.p50_ms:.1f} x p50   "
            f"CPU {cpu:5.2f} ms: {1000 / cpu:5.0f} answers/s and core   failed {self.failed}"
        )


@dataclass
class Service:
    """One that runs.

    Attributes:
        name: For people.
        url: Its address.
        process: That was started here; the workers are below it.
        runs: By path.
    """

    name: str
    url: str
    process: psutil.Process
    runs: dict[str, Runs] = field(default_factory=dict)

    def measure(self, path: str, *, clients: int, seconds: float, users: str) -> None:
        """Run the load generator once, and see what it cost the workers."""
        before = worker_cpu_s(self.process)
        command = [*LOAD, "--url", self.url, "--path", path, "--clients", str(clients)]
        command += ["--seconds", str(seconds), "--users", users, "--every"]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        result = json.loads(answer.stdout)
        runs, good = self.runs.setdefault(path, Runs()), result["good"]
        runs.latencies_ms.append(1000 * np.array([latency for _, latency in good]))
        runs.cpu_ms.append(
            (worker_cpu_s(self.process) - before) * 1000 / max(len(good) + result["failed"], 1)
        )
        runs.failed += result["failed"]


def measure(url: str, path: str, *, clients: int, seconds: float, users: str) -> dict[str, float]:
    """One run of the load generator, and what it cost the one service that runs."""
    before = worker_cpu_s()
    command = [*LOAD, "--url", url, "--path", path, "--clients", str(clients)]
    command += ["--seconds", str(seconds), "--users", users]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(answer.stdout)
    return {**result, "cpu_ms": (worker_cpu_s() - before) * 1000 / max(result["sent"], 1)}


def worker_cpu_s(service: psutil.Process | None = None) -> float:
    """CPU seconds that the workers of a service, or of all that run below here, have used."""
    workers = [
        process
        for process in (service or psutil.Process()).children(recursive=True)
        if "_bentoml_impl.worker.service" in process.cmdline()
    ]
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def start(stack: ExitStack, name: str, bundle: Path, folder: Path, options: argparse.Namespace,
          code: Path | None) -> Service:  # fmt: skip
    """Start a service until the stack ends."""
    key = known_key(bundle, options.users)
    before = set(psutil.Process().children())
    url = stack.enter_context(
        running(folder, bundle=bundle.resolve(), code=code, KINOLOOP_PSEUDONYM_KEY=key)
    )
    (process,) = set(psutil.Process().children()) - before
    return Service(name, url, process)


def compare(services: list[Service], *, clients: int, options: argparse.Namespace) -> None:
    """Measure all paths of all services in turns and print what came out."""
    for service in services:
        for path in PATHS:  # the first seconds warm the caches
            service.measure(path, clients=clients, seconds=2, users=options.users)
        service.runs = {}
    for _ in range(options.rounds):
        for service in services:
            for path in PATHS:
                service.measure(path, clients=clients, seconds=options.seconds, users=options.users)
    print(f"\n{clients} client(s), {options.rounds} rounds of {options.seconds:g} s each, p50 and "
          f"CPU of the middle round, load of the machine {os.getloadavg()[0]:.1f}:")  # fmt: skip
    for service in services:
        noop, recommend = (service.runs[path] for path in PATHS)
        cpu = np.median(recommend.cpu_ms) / np.median(noop.cpu_ms)
        print(f"  {service.name}")
        for path in PATHS:
            print(f"    {path:<11} {service.runs[path]}")
        print(f"    ratio of p50 {recommend.p50_ms / noop.p50_ms:.2f}, of CPU time {cpu:.2f}")


def bundles(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, list[Path]]]:
    """Yield what is measured side by side: a title, and the bundles."""
    if options.bundle is not None:
        yield str(options.bundle), [options.bundle]
        return
    for videos in options.videos:
        made = [
            synthetic_bundle(
                folder / f"{videos} videos {name} ranker", kind=options.kind, videos=videos,
                ranker=name == "with",
            )
            for name in options.ranker
        ]  # fmt: skip
        yield f"{videos:,} videos, {options.kind}", made


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else some are made")
    parser.add_argument("--videos", type=int, nargs="+", default=[19_220], help="of made bundles")
    parser.add_argument("--ranker", nargs="+", default=["with", "without"], help="likewise")
    parser.add_argument("--kind", default="item_knn", help="recommender, or its settings as JSON")
    parser.add_argument("--old", type=Path, help="another checkout to measure in the same turns")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, made in bundles(folder, options):
            print(f"\n{title}")
            with ExitStack() as stack:
                services = []
                for bundle in made:
                    for label, code in (("", None), ("old, ", options.old)):
                        if label and code is None:
                            continue
                        named = f"{label}{bundle.name}"
                        state = folder / f"state of {named}".replace(" ", "-")
                        services.append(start(stack, named, bundle, state, options, code))
                for clients in options.clients:
                    compare(services, clients=clients, options=options)


if __name__ == "__main__":
    main()
