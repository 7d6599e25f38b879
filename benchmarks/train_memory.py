"""Peak memory of training the sequence recommender on millions of generated events.

    python -m benchmarks.train_memory [--events 10000000] [--set '{"dim": 32}']

The histories lie in files and are memory-mapped, so that a step reads its own events only. Prints
the peak before the fit and after it. One epoch, no validation: ten minutes of one core for ten
million events.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.models.base import build

FIELDS = {
    "videos": np.int32,
    "weights": np.float32,
    "timestamps": np.int64,
    "kinds": np.uint8,
    "watch_shares": np.float32,
}
CHUNK_ROWS = 10_000


def main() -> None:
    """Generate, fit, print."""
    parser = argparse.ArgumentParser(description="Peak memory of training.")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--videos", type=int, default=50_000)
    parser.add_argument("--length", type=int, default=50, help="events per user")
    parser.add_argument("--set", default="{}", help="settings that differ, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        histories = _generate(Path(folder), arguments)
        names = [f"v{index}" for index in range(arguments.videos)]
        videos = pl.DataFrame({"video_id": names, "title": names})
        catalogue = Catalogue(IdMap(names), np.zeros(len(names), dtype=np.int64), videos)
        settings = {"kind": "sequence", "epochs": 1, **json.loads(arguments.set)}
        before = _peak_mb()
        build(settings, seed=arguments.seed).fit(histories, catalogue)
    print(
        f"{len(histories.videos)} events, {len(histories)} users, {len(names)} videos; {settings}"
    )
    print(f"peak {before:.0f} MB before the fit, {_peak_mb():.0f} MB after it")


def _generate(folder: Path, arguments: argparse.Namespace) -> Histories:
    """Users who like a part of the catalogue, popular videos first; a chunk of rows at a time."""
    rng = np.random.default_rng(arguments.seed)
    rows, length = arguments.events // arguments.length, arguments.length
    files = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(rows * length,)
        )
        for name, dtype in FIELDS.items()
    }
    for start in range(0, rows, CHUNK_ROWS):
        shape = (min(CHUNK_ROWS, rows - start), length)
        part = slice(start * length, (start + shape[0]) * length)
        taste = rng.integers(0, arguments.videos, size=(shape[0], 1))
        drawn = (taste + (arguments.videos * rng.random(shape) ** 3).astype(np.int64)) // 2
        files["videos"][part] = drawn.ravel()
        files["weights"][part] = 1.0
        gaps_us = (3_600e6 * rng.exponential(12, size=shape)).astype(np.int64)
        files["timestamps"][part] = np.cumsum(gaps_us, axis=1).ravel()
        files["kinds"][part] = 1
        files["watch_shares"][part] = rng.random(shape).ravel()
    for file in files.values():
        file.flush()
    mapped = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FIELDS}
    return Histories(offsets=np.arange(rows + 1, dtype=np.int64) * length, **mapped)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
