"""A promotion while the service is under load: what it costs the requests, if anything.

    python -m benchmarks.promote_under_load
    python -m benchmarks.promote_under_load --bundle OLD --other NEW --clients 4 --promotions 4

A real MLflow registry holds two versions; a client in a process of its own sends `/recommend` over
keep-alive connections, while the champion alias moves back and forth. Every request is counted.
"During" is the time from each move of the alias until every worker answers from the new version;
the rest is "before". The clients pause between requests, so that the service is busy and not
saturated: beside a saturated one nothing could be loaded without being felt.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.known_key import known_key
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import ModelVersion
from kinoloop.registry.runs import Runs
from kinoloop.release.signature import signed_by
from kinoloop.testing.load import Load
from kinoloop.testing.service import running, synthetic_bundle

SWAP_S = 60.0
QUIET_S = 4.0
POLL_S = 0.5


def register(registry: ModelRegistry, bundle: Path, key: str) -> ModelVersion:
    """Register a bundle under a run of its own."""
    run_id = Runs(registry.tracking_uri).start(key, key=key, params={}, tags={})
    return registry.register(bundle, run_id=run_id, tags={})


def wait_for(url: str, version: str, workers: int) -> None:
    """Return when every worker answers from `version`: many connections, the same answer."""
    end = time.monotonic() + SWAP_S
    in_a_row = 0
    while in_a_row < 1 + 9 * (workers - 1):
        with urllib.request.urlopen(f"{url}/about", timeout=30) as answer:
            release = json.loads(answer.read())["release"]
        in_a_row = in_a_row + 1 if release and release["model_version"] == version else 0
        if time.monotonic() > end:
            raise TimeoutError(f"version {version} was not taken up within {SWAP_S} s")
        time.sleep(0.1)


def measure(
    url: str, registry: ModelRegistry, versions: list[ModelVersion], options: argparse.Namespace
) -> None:
    """Move the alias back and forth under load and print both distributions."""
    seconds = options.promotions * (QUIET_S + 6.0) + QUIET_S
    command = [sys.executable, "-m", "benchmarks.harness.load", "--url", url, "--every"]
    command += ["--clients", str(options.clients), "--seconds", str(seconds)]
    command += ["--pause-ms", str(options.pause_ms), "--users", options.users]
    windows: list[tuple[float, float]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        for promotion in range(options.promotions):
            time.sleep(QUIET_S)
            version = versions[(promotion + 1) % 2].version
            started = time.clock_gettime(time.CLOCK_MONOTONIC)
            registry.set_alias("champion", version)
            wait_for(url, version, options.workers)
            windows.append((started, time.clock_gettime(time.CLOCK_MONOTONIC)))
            print(f"promotion {promotion + 1}: in service after {windows[-1][1] - started:.1f} s")
        output, _ = client.communicate()
    answers = json.loads(output)
    report(answers["good"], answers["failed"], windows)


def report(
    good: list[tuple[float, float]], failed: int, windows: list[tuple[float, float]]
) -> None:
    """Print what requests saw before and during promotions."""
    during = [ms for at, ms in good if any(a <= at + ms and at <= b for a, b in windows)]
    before = [ms for at, ms in good if not any(a <= at + ms and at <= b for a, b in windows)]
    print(f"requests sent {len(good) + failed}, failed {failed}")
    for name, latencies in (("before", before), ("during", during)):
        row = asdict(Load.of(latencies, 0, 1.0))
        print(
            f"  {name:<7} {len(latencies):6d} requests   p50 {row['p50_ms']:7.2f} ms   "
            f"p99 {row['p99_ms']:7.2f} ms   max {row['max_ms']:7.1f} ms"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else one is made")
    parser.add_argument("--other", type=Path, help="another one; else one is made")
    parser.add_argument("--kind", default="item_knn", help="recommender of the made bundles")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause-ms", type=float, default=10.0, help="of each client")
    parser.add_argument("--promotions", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = [
            given or synthetic_bundle(folder / f"bundle-{seed}", kind=options.kind, seed=seed)
            for seed, given in enumerate((options.bundle, options.other))
        ]
        registry = ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}")
        versions = [register(registry, bundle, f"{n}") for n, bundle in enumerate(bundles)]
        registry.set_alias("champion", versions[0].version)
        settings = folder / "kinoloop.toml"
        settings.write_text(f"[serving]\nworkers = {options.workers}\npoll_s = {POLL_S}\n")
        with running(
            folder / "state",
            KINOLOOP_PSEUDONYM_KEY=known_key(bundles[0], options.users),
            KINOLOOP_MLFLOW_URI=registry.tracking_uri,
            KINOLOOP_TRUSTED_KEYS=",".join(map(signed_by, bundles)),
            KINOLOOP_SETTINGS_FILE=str(settings),
        ) as url:
            measure(url, registry, versions, options)


if __name__ == "__main__":
    main()
