"""One new video among many: what it costs against the only video of a small catalogue.

    python -m benchmarks.extract_increment [--videos 100000]

Writes the tables of a catalogue of words as an extraction would have left them, then measures, each
in a fresh process: a run with nothing to do, a run with one new video, and a run of a catalogue of
one video. Nothing to do must load no model.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from kinoloop.data.tables import Tables
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots, take_inventory
from kinoloop.extraction.products import make_products
from kinoloop.extraction.run import extract
from kinoloop.media.hashes import HashCache
from kinoloop.schema import TABLES, VIDEOS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DIM = 384


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        _work(options.work)
        return 0
    table = Table("run", "videos done", "CPU s", "wall s", "peak memory, MB", "torch loaded")
    with tempfile.TemporaryDirectory() as scratch:
        many, one = Path(scratch) / "many", Path(scratch) / "one"
        _extracted(many, options.videos)
        _add(one, "new")
        table.add_row("nothing to do", *_measure(many))
        _add(many, "new")
        table.add_row(f"one new among {options.videos:,}", *_measure(many))
        table.add_row("the only one", *_measure(one))
    Console(width=100).print(table)
    return 0


def _extracted(root: Path, n: int) -> None:
    """Write a catalogue of words and its features, as an extraction leaves them."""
    tables = Tables(root / "data")
    rng = np.random.default_rng(0)
    words = rng.integers(0, 5000, (n, 12))
    rows = [
        {"video_id": f"v{i}", "title": " ".join(f"word{w}" for w in some), "published_at": NOW}
        for i, some in enumerate(words.tolist())
    ]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tables.path("videos")))
    hashes = HashCache(root / "state" / "hashes.sqlite", max_bytes=1)
    for items in take_inventory(tables, Roots(()), hashes):
        for product in make_products(ExtractConfig()):
            rows = [
                {
                    "video_id": item.video_id,
                    "content_hash": product.hash_of(item),
                    "fingerprint": product.fingerprint,
                    **product.blank(),
                    "extracted_at": NOW,
                }
                for item in items
            ]
            if product.name == "text":
                vectors = rng.standard_normal((len(items), DIM)).astype(np.float32)
                for row, vector in zip(rows, vectors, strict=True):
                    row |= {"present": True, "vector": vector}
            frame = pl.DataFrame(rows, schema=TABLES[product.table])
            frame.write_delta(str(tables.path(product.table)), mode="append")


def _add(root: Path, video_id: str) -> None:
    path = root / "data" / "videos"
    row = {"video_id": video_id, "title": "A red fox in the snow", "published_at": NOW}
    pl.DataFrame([row], schema=VIDEOS).write_delta(str(path), mode="append")


def _measure(root: Path) -> list[str]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.extract_increment", "--work", str(root)],
        check=True,
        capture_output=True,
    )
    wall = time.monotonic() - started
    said = json.loads(done.stdout)
    return [
        str(said["done"]),
        f"{said['cpu']:.2f}",
        f"{wall:.1f}",
        f"{said['peak_mb']:.0f}",
        str(said["torch"]),
    ]


def _work(root: Path) -> None:
    report = extract(
        Tables(root / "data"), ExtractConfig(), roots=Roots(()), state_dir=root / "state"
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "done": report.done,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "torch": "torch" in sys.modules,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    sys.exit(main())
