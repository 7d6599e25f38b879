"""How fast the service answers: `/recommend` against a no-op endpoint of the same running service.

    python -m benchmarks.serve                         # synthetic, the size of MicroLens-50k
    python -m benchmarks.serve --kind sequence
    python -m benchmarks.serve --bundle PATH --users '{}'   # a real release and its user ids

Both endpoints are measured in turns, so that a busy moment of the machine hits both; the client is
a process of its own (benchmarks/harness/load.py). The figure that counts: p50 of /recommend over
p50 of /noop, with one client.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.harness.known_key import known_key
from kinoloop.testing.service import running, synthetic_bundle


def measure(url: str, path: str, *, clients: int, seconds: float, users: str) -> dict[str, float]:
    """One run of the load generator, and what it cost the service."""
    before = worker_cpu_s()
    command = [sys.executable, "-m", "benchmarks.harness.load", "--url", url, "--path", path]
    command += ["--clients", str(clients), "--seconds", str(seconds), "--users", users]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(answer.stdout)
    return {**result, "cpu_ms": (worker_cpu_s() - before) * 1000 / max(result["sent"], 1)}


def worker_cpu_s() -> float:
    """CPU seconds that the workers of the service, our grandchildren, have used."""
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "_bentoml_impl.worker.service" in process.cmdline()
    ]
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def compare(url: str, *, clients: int, seconds: float, rounds: int, users: str) -> None:
    """Measure both endpoints in turns and print the middle round of each."""
    runs: dict[str, list[dict[str, float]]] = {"/noop": [], "/recommend": []}
    for _ in range(rounds):
        for path, results in runs.items():
            results.append(measure(url, path, clients=clients, seconds=seconds, users=users))
    print(f"\n{clients} client(s), {rounds} rounds of {seconds:g} s each, middle round by p50:")
    middle = {
        path: sorted(results, key=lambda r: r["p50_ms"])[len(results) // 2]
        for path, results in runs.items()
    }
    for path, result in middle.items():
        print(
            f"  {path:<11} p50 {result['p50_ms']:7.2f} ms   p99 {result['p99_ms']:7.2f} ms   "
            f"max {result['max_ms']:7.1f} ms   {result['per_s']:7.0f} requests/s   "
            f"CPU {result['cpu_ms']:5.2f} ms   failed {sum(r['failed'] for r in runs[path])}"
        )
    ratio = middle["/recommend"]["p50_ms"] / middle["/noop"]["p50_ms"]
    cpu_ratio = middle["/recommend"]["cpu_ms"] / middle["/noop"]["cpu_ms"]
    print(
        f"  p50 ratio   {ratio:.2f}   (CPU ratio {cpu_ratio:.2f}: hardly touched by a busy machine)"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else one is made")
    parser.add_argument("--kind", default="item_knn", help="recommender of the made bundle")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    arguments = parser.parse_args()
    users = arguments.users
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle
        if bundle is None:
            bundle = synthetic_bundle(Path(folder) / "bundle", kind=arguments.kind)
        key = known_key(bundle, users)
        state = Path(folder) / "state"
        with running(state, bundle=bundle.resolve(), KINOLOOP_PSEUDONYM_KEY=key) as url:
            for clients in (1, 16):
                for path in ("/recommend", "/noop"):  # the first seconds warm the caches
                    measure(url, path, clients=clients, seconds=2, users=users)
                compare(
                    url,
                    clients=clients,
                    seconds=arguments.seconds,
                    rounds=arguments.rounds,
                    users=users,
                )


if __name__ == "__main__":
    main()
