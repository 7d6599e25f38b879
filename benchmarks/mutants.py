"""Feed the guarded decoder thousands of damaged clips: the parent lives, each has an outcome.

    python -m benchmarks.mutants [--clips FOLDER …] [--mutants 5000] [--seed 0] [--workers 1]

Takes real clips (of at most --max-kb each; without --clips it makes its own), damages each in one
of four ways (truncation, bit flips, splices, header edits), and probes the result as `kinoloop
probe` would, within 20 s of wall time and 1 GiB of address space per file. The same seed gives the
same mutants. Ends with status 1 if a mutant has no outcome, no reason, or passed a limit.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.guard import DecoderPool
from kinoloop.media.probe import Probe, probe
from kinoloop.media.process import GuardConfig
from kinoloop.testing.clips import bar_clip

WALL_S = 20.0
MEMORY_MB = 1024
GRACE_S = 1.0
"""What killing a worker and starting another may add on a busy machine."""

HEADER_BYTES = 4096
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x10000)
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".ogv", ".flv", ".3gp", ".wav")
Damage = Callable[[bytes, bytes, np.random.Generator], bytes]


def truncate(clip: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """Cut off its end, or its beginning, or a piece in the middle."""
    start, end = sorted(rng.integers(1, len(clip), 2).tolist())
    return (clip[:end], clip[start:], clip[:start] + clip[end:])[rng.choice(3, p=(0.6, 0.1, 0.3))]


def flip(clip: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """Flip 1 to 1,000 bits, anywhere or near each other."""
    raw = np.frombuffer(clip, dtype=np.uint8).copy()
    count = int(10 ** rng.uniform(0, 3))
    start = int(rng.integers(0, len(raw))) if rng.random() < 0.5 else 0
    span = len(raw) - start if rng.random() < 0.5 else min(len(raw) - start, 4096)
    at = start + rng.integers(0, span, count)
    np.bitwise_xor.at(raw, at, (1 << rng.integers(0, 8, count)).astype(np.uint8))
    return raw.tobytes()


def splice(clip: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Go on with another clip, or put a piece of one into the other."""
    at, start = int(rng.integers(1, len(clip))), int(rng.integers(0, len(other)))
    length = int(rng.integers(1, min(len(other), 1 << 16)))
    if rng.random() < 0.5:
        return clip[:at] + other[start:]
    return clip[:at] + other[start : start + length] + clip[at + rng.integers(0, 2) * length :]


def edit_header(clip: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """Write extreme numbers where sizes, counts and times stand: in the header and in `moov`."""
    raw = bytearray(clip)
    moov = clip.find(b"moov")
    for _edit in range(int(rng.integers(1, 9))):
        base = max(moov, 0) if rng.random() < 0.7 else 0
        at = base + int(rng.integers(0, max(1, min(HEADER_BYTES, len(raw) - base - 8))))
        width = int(rng.choice((1, 2, 4, 8)))
        value = int(rng.choice(EXTREMES)) if rng.random() < 0.7 else int(rng.integers(0, 1 << 32))
        raw[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "big")
    return bytes(raw[: len(clip)])


KINDS: dict[str, Damage] = {
    "truncation": truncate,
    "bit flips": flip,
    "splice": splice,
    "header edit": edit_header,
}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, nargs="+")
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--max-kb", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = _files(options.clips, options.max_kb) if options.clips else _make(Path(folder))
        clips = [file.read_bytes() for file in files]
        found = _run(clips, Path(folder), options)
    return _report(found, len(clips))


def _run(
    clips: Sequence[bytes], folder: Path, options: argparse.Namespace
) -> list[tuple[str, Probe]]:
    limits = GuardConfig(
        workers=options.workers, timeout_s=WALL_S, cpu_s=int(WALL_S), memory_bytes=MEMORY_MB << 20
    )
    with DecoderPool(DecodeConfig(), limits) as pool:

        def look(number: int) -> tuple[str, Probe]:
            rng = np.random.default_rng((options.seed, number))
            kind = list(KINDS)[number % len(KINDS)]
            clip, other = (clips[i] for i in rng.integers(0, len(clips), 2))
            file = folder / f"{number}.mp4"
            file.write_bytes(KINDS[kind](clip, other, rng))
            found = probe(pool, file)
            file.unlink()
            return kind, found

        with ThreadPoolExecutor(options.workers) as threads:
            numbers = range(options.mutants)
            return list(track(threads.map(look, numbers), "damaging", total=options.mutants))


def _report(found: Sequence[tuple[str, Probe]], clips: int) -> int:
    table = Table("damage", "mutants", "ok", "partial", "quarantined", "slowest s", "most MB")
    for kind in KINDS:
        of = [mutant for k, mutant in found if k == kind]
        outcomes = Counter(mutant.outcome for mutant in of)
        table.add_row(
            kind,
            str(len(of)),
            *(str(outcomes[name]) for name in ("ok", "partial", "quarantined")),
            f"{max(mutant.seconds for mutant in of):.2f}",
            f"{max(mutant.peak_memory_mb for mutant in of):.0f}",
        )
    console = Console()
    console.print(table)
    reasons = Counter(m.reason for _, m in found if m.reason)
    console.print("reasons: " + ", ".join(f"{n} {name}" for name, n in reasons.most_common()))
    wrong = [m for _, m in found if _is_wrong(m)]
    console.print(f"{len(found)} mutants of {clips} clips; the parent lives; {len(wrong)} wrong")
    for mutant in wrong[:20]:
        console.print(mutant)
    return 1 if wrong else 0


def _is_wrong(found: Probe) -> bool:
    unexplained = (found.outcome == "ok") == bool(found.reason)
    known = found.outcome in {"ok", "partial", "quarantined"}
    late, large = found.seconds > WALL_S + GRACE_S, found.peak_memory_mb > MEMORY_MB
    return unexplained or not known or late or large


def _files(folders: Sequence[Path], max_kb: int) -> list[Path]:
    files = (f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
    return sorted(file for file in files if 1000 < file.stat().st_size <= max_kb << 10)


def _make(folder: Path) -> list[Path]:
    colours = ((200, 60, 30), (20, 90, 200), (240, 240, 90))
    return [
        bar_clip(folder / f"clip{i}.mp4", seconds=1.0 + i, colour=colour, subtitles=("hello",))
        for i, colour in enumerate(colours)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
