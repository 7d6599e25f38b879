"""Ingest generated events and report time and memory: is one linear and the other flat?

    python -m benchmarks.ingest 1000000 10000000

For each size a process of its own generates a landing zone as a stream (Parquet shards of 500,000
rows, 60 days, 20,000 videos; one in a hundred rows is bad, one in a hundred comes twice), and
another one validates it (Great Expectations included) and commits it. Prefect's server is not
started; its tasks are called as functions. Figures are of the second process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

SHARD_ROWS = 500_000
VIDEOS = 20_000
DAYS = 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("impression", "view", "like", "skip")


def generate(landing: Path, rows: int) -> None:
    """Write a landing zone with `rows` events."""
    rng = np.random.default_rng(rows)
    (landing / "videos").mkdir(parents=True)
    (landing / "events").mkdir()
    ids = [f"v{i}" for i in range(VIDEOS)]
    frame = {"video_id": ids, "title": ids, "duration_s": rng.uniform(5, 120, VIDEOS)}
    pl.DataFrame(frame).write_parquet(landing / "videos" / "all.parquet")
    for shard, first in enumerate(range(0, rows, SHARD_ROWS)):
        n = min(SHARD_ROWS, rows - first)
        events = pl.DataFrame(
            {
                "user_id": rng.integers(0, max(rows // 50, 1), n),
                "video_id": rng.zipf(1.3, n) % VIDEOS,
                "second": rng.integers(0, DAYS * 86_400, n),
                "kind": rng.integers(0, len(KINDS), n),
                "watch_s": rng.exponential(20.0, n),
                "bad": rng.random(n) < 0.01,
            }
        ).select(
            user_id=pl.format("u{}", "user_id"),
            video_id=pl.format("v{}", "video_id"),
            timestamp=pl.lit(BEGIN) + pl.duration(seconds="second"),
            event=pl.when("bad")
            .then(pl.lit("stare"))
            .otherwise(pl.col("kind").replace_strict(dict(enumerate(KINDS)))),
            watch_s="watch_s",
        )
        again = n // 100
        events = pl.concat([events.head(n - again), events.head(again)])
        events.write_parquet(landing / "events" / f"{shard:05d}.parquet")


def ingest() -> dict[str, float]:
    """Ingest what the environment names; seconds by stage, counts, peak memory of this process."""
    from kinoloop.data.tables import Tables
    from kinoloop.data.writers_lock import exclusive
    from kinoloop.environment import Environment
    from kinoloop.ingestion.rule import IngestConfig
    from tasks.ingestion import collect_landing, commit_batch, validate_batch

    environment = Environment()
    started = time.perf_counter()
    with exclusive(Tables(environment.data_dir)):
        config = IngestConfig()
        arrivals, standing = collect_landing.fn(environment, config)
        collected = time.perf_counter()
        staged = validate_batch.fn(
            environment, arrivals, config, any_volume=False, standing=standing
        )
        validated = time.perf_counter()
        commit_batch.fn(environment, staged, config)
        committed = time.perf_counter()
    return {
        "rows": staged.total("rows"),
        "accepted": staged.total("accepted"),
        "quarantined": staged.total("quarantined"),
        "duplicates": staged.total("duplicates"),
        "collect_s": collected - started,
        "validate_s": validated - collected,
        "commit_s": committed - validated,
        "total_s": committed - started,
        "cpu_s": time.process_time(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(rows: int) -> dict[str, float]:
    """Generate and ingest in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = {"DATA_DIR": "data", "LANDING": "landing", "STATE_DIR": "state"}
        variables = {f"KINOLOOP_{name}": str(root / path) for name, path in names.items()}
        environment = {**os.environ, **variables}
        this = [sys.executable, "-m", "benchmarks.ingest"]
        subprocess.run([*this, "--generate", str(rows)], env=environment, check=True)
        done = subprocess.run(
            [*this, "--ingest"], env=environment, check=True, stdout=subprocess.PIPE
        )
        found: dict[str, float] = json.loads(done.stdout)
        return found


def main() -> None:
    """Run the sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", type=int, default=[1_000_000, 10_000_000])
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ingest", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.generate:
        generate(Path(os.environ["KINOLOOP_LANDING"]), wanted.generate)
        return
    if wanted.ingest:
        print(json.dumps(ingest()))
        return
    found = [measure(rows) for rows in wanted.rows]
    for one in found:
        rate = one["rows"] / one["total_s"]
        print(f"{rate:,.0f} events/s", {name: round(value, 1) for name, value in one.items()})
    if len(found) > 1:
        first, last = found[0], found[-1]
        for name in ("rows", "total_s", "cpu_s", "peak_mib"):
            print(f"{name}: x{last[name] / first[name]:.2f}")


if __name__ == "__main__":
    main()
