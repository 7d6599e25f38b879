"""What extraction costs over its parts, and how fast each part is.

    python -m benchmarks.extract [FOLDER] [--clips 96] [--seconds 8] [--rounds 3]

Decodes, reads and encodes the same clips, in CPU seconds of this process and its decoders: decoding
alone, reading words, each encoder and the score of harm alone (from what was decoded), and the
whole extraction with its digests, queues and commits. All are measured in turns, and the least of
each counts: a shared machine slows down for seconds at a time. Clips are generated, or taken from
FOLDER. Each part includes what it needs to start (decoders, models). Where there is a GPU, an image
encoder of the size of ViT-B/16 is held against a bare loop of the same model over tensors that are
on the device already. Ends with status 1 if the whole costs more than 1.10 times its parts, or the
encoder does less than 0.85 of the loop.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.harness.gpu import compare_on_gpu
from kinoloop.data.tables import Tables
from kinoloop.errors import MediaError
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.products import decoding_for, make_products
from kinoloop.extraction.reader import reader
from kinoloop.extraction.rows import Decoded
from kinoloop.extraction.run import extract
from kinoloop.media.content import VideoContent
from kinoloop.media.decoded import DecodedMedia, nothing
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip

LIMIT = 1.10
WHOLE = "whole extraction"
SILENCE = (np.zeros(1), np.zeros(0, np.float32), 16_000)
SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".ogv"}


class Cost(NamedTuple):
    """Seconds of one part."""

    cpu: float
    wall: float


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        clips = _clips(root, options.folder, options.clips, options.seconds)
        good = _compare(console, root, clips, options.rounds)
        fast = compare_on_gpu(console, root)
    return 0 if good and fast else 1


def _compare(console: Console, root: Path, clips: list[Path], rounds: int) -> bool:
    config = ExtractConfig()
    for product in make_products(config):  # what a process imports once is nobody's cost
        product.make([VideoContent("", "warm", np.zeros((1, 8, 8, 3), np.uint8), *SILENCE)])
    _decode(config, clips[:1])
    runs = [_measure(config, clips, root / str(i)) for i in range(rounds)]
    costs = {name: min(run[name] for run in runs) for name in runs[0]}
    whole = costs[WHOLE].cpu
    parts = sum(cost.cpu for name, cost in costs.items() if name != WHOLE)
    table = Table("part", "CPU seconds", "wall seconds", "videos per second")
    for name, cost in costs.items():
        rate = f"{len(clips) / cost.wall:.1f}"
        table.add_row(name, f"{cost.cpu:.2f}", f"{cost.wall:.2f}", rate)
    console.print(table)
    console.print(
        f"{len(clips)} clips, {len(os.sched_getaffinity(0))} cores, the least of {rounds} rounds\n"
        f"whole ÷ (decode alone + encode alone), CPU seconds: "
        f"{whole:.2f} ÷ {parts:.2f} = {whole / parts:.3f} (limit {LIMIT})",
        highlight=False,
    )
    return whole <= LIMIT * parts


def _measure(config: ExtractConfig, clips: list[Path], folder: Path) -> dict[str, Cost]:
    """One round: what each part costs, and the whole."""
    costs: dict[str, Cost] = {}
    with _measured(costs, "decode alone"):
        found = _decode(config, clips)
    if (reads := reader(config.reading)) is not None:
        with _measured(costs, "read alone"):
            found = list(reads.add_words(found))
    contents = [_content(i, one.found) for i, one in enumerate(found)]
    del found
    for product in make_products(config):
        with _measured(costs, f"encode alone: {product.name}"):
            for at in range(0, len(contents), config.window_videos):
                product.make(contents[at : at + config.window_videos])
    del contents
    rows = [{"video_id": f"v{i}", "title": _title(i), "media": str(c)} for i, c in enumerate(clips)]
    tables = Tables(folder / "data")
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tables.path("videos")))
    with _measured(costs, WHOLE):
        report = extract(
            tables,
            config,
            roots=Roots(tuple({clip.parent for clip in clips})),
            state_dir=folder / "state",
        )
    assert report.done == len(clips), dict(report.outcomes)
    return costs


def _decode(config: ExtractConfig, clips: list[Path]) -> list[Decoded]:
    decode = decoding_for(config, reads=reader(config.reading) is not None)
    with DecoderPool(decode, config.guard) as pool:
        jobs = [Job(clip) for clip in clips]
        return [
            Decoded(nothing(decode) if isinstance(found, MediaError) else found, None)
            for found in pool.map(jobs, ahead=config.decode_ahead)
        ]


def _content(i: int, found: DecodedMedia) -> VideoContent:
    text = f"{_title(i)} {found.words}".strip()
    pictures = (found.frames, found.frame_times_s)
    return VideoContent("", text, *pictures, found.audio, found.sample_rate, found.shots_s)


@contextmanager
def _measured(costs: dict[str, Cost], name: str) -> Iterator[None]:
    cpu, wall = _cpu(), time.monotonic()
    yield
    costs[name] = Cost(_cpu() - cpu, time.monotonic() - wall)


def _cpu() -> float:
    """Of this process and of its children that have ended: decoders end with their pool."""
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _clips(root: Path, folder: Path | None, n: int, seconds: float) -> list[Path]:
    if folder is not None:
        return sorted(f.absolute() for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    rng = np.random.default_rng(0)
    landing = root / "landing"
    landing.mkdir()
    return [
        bar_clip(
            landing / f"{i}.mp4",
            seconds=seconds,
            size=(320, 180),
            colour=tuple(int(value) for value in rng.integers(0, 256, 3)),
            tone_hz=float(rng.uniform(100, 2000)),
            subtitles=tuple(f"what is said in clip {i}, line {line}" for line in range(4)),
        )
        for i in range(n)
    ]


def _title(i: int) -> str:
    return f"A clip about subject {i % 17}, part {i}"


if __name__ == "__main__":
    sys.exit(main())
