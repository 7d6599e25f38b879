"""Kill an extraction again and again at random times: nothing may be lost, nothing done twice.

    python -m benchmarks.kill_extract [--kills 10] [--clips 48] [--seed 0]

Makes clips, extracts them once undisturbed for reference, then starts the same extraction in a
process group of its own and kills the group with SIGKILL at a random time, until it has been
killed often enough; the last run goes to its end. Prints a table and ends with status 1 if a row
is missing, is there twice, or differs from the reference.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from kinoloop.data.tables import Tables
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.run import extract
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip

CONFIG = ExtractConfig(shard_videos=4, shard_texts=8)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        _work(Path(options.work))
        return 0
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        return _run(Path(folder), options.kills, options.clips, rng)


def _run(folder: Path, kills: int, clips: int, rng: np.random.Generator) -> int:
    whole, killed = folder / "whole", folder / "killed"
    for root in (whole, killed):
        _make_catalogue(root, folder / "landing", clips, rng if root is whole else None)
    start_s, work_s = _finish(whole)
    table = Table("run", "killed after", "media rows", "feature rows", "rows there twice", "done")
    good = True
    for run in range(1, kills + 2):
        last = run > kills
        share = work_s / kills  # so that the work lasts for all kills
        after_s = None if last else start_s * rng.uniform(0.5, 1.2) + share * rng.uniform(0, 1.2)
        report = _kill(killed, after_s)
        media, features, twice = _count(Tables(killed / "data"))
        good = good and twice == 0
        done = str(report["done"]) if report else "-"
        when = "not killed" if after_s is None else f"{after_s:.1f} s"
        table.add_row(str(run), when, str(media), str(features), str(twice), done)
    same = _same(Tables(whole / "data"), Tables(killed / "data"))
    console = Console(width=100)
    console.print(table)
    console.print(
        f"undisturbed: {start_s:.1f} s to the first commit, {work_s:.1f} s from there, "
        f"for {clips} clips and {clips} texts"
    )
    console.print(f"same rows as the undisturbed run: {same}")
    return 0 if good and same else 1


def _make_catalogue(root: Path, landing: Path, clips: int, rng: np.random.Generator | None) -> None:
    landing.mkdir(exist_ok=True)
    rows = []
    for i in range(clips):
        if rng is not None:
            red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
            bar_clip(
                landing / f"{i}.mp4",
                seconds=1.0,
                size=(160, 96),
                colour=(red, green, blue),
                tone_hz=float(rng.uniform(100, 2000)),
            )
        rows.append({"video_id": f"clip-{i}", "title": f"clip {i}", "media": f"{i}.mp4"})
        rows.append({"video_id": f"text-{i}", "title": f"words only, number {i}", "media": None})
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(root / "data" / "videos"))


def _kill(root: Path, after_s: float | None) -> dict[str, object] | None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kill_extract", "--work", str(root)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=after_s)
        return json.loads(said)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None


def _finish(root: Path) -> tuple[float, float]:
    """Run undisturbed: seconds to the first commit, and from there to the end."""
    started = time.monotonic()
    if _kill(root, None) is None:
        raise SystemExit("the undisturbed run failed")
    ended = time.monotonic()
    stamps = Tables(root / "data").scan("features").select("extracted_at").collect().to_series()
    work_s = (stamps.max() - stamps.min()).total_seconds()
    return ended - started - work_s, work_s


def _work(root: Path) -> None:
    report = extract(
        Tables(root / "data"),
        CONFIG,
        roots=Roots((root.parent / "landing",)),
        state_dir=root / "state",
    )
    print(json.dumps(report.to_dict()))


def _count(tables: Tables) -> tuple[int, int, int]:
    media = tables.scan("media").select("video_id").collect()
    features = tables.scan("features").select("video_id", "fingerprint").collect()
    twice = (len(media) - media.n_unique()) + (len(features) - features.n_unique())
    return len(media), len(features), twice


def _same(one: Tables, two: Tables) -> bool:
    """Tell whether keys and hashes agree, and vectors but for what batching may change."""
    left, right = (
        tables.scan("features").drop("extracted_at").sort("video_id", "modality").collect()
        for tables in (one, two)
    )
    if not left.drop("vector").equals(right.drop("vector")):
        return False
    difference = left["vector"].explode().to_numpy() - right["vector"].explode().to_numpy()
    return bool(np.nanmax(np.abs(difference)) < 1e-4)


if __name__ == "__main__":
    sys.exit(main())
