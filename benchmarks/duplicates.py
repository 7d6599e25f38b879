"""Near-duplicates on real clips and their variants, and the cost on many videos.

    python -m benchmarks.duplicates clips FOLDER [--same A B]…   pairs found, precision and recall
    python -m benchmarks.duplicates many 5000 20000              cost on random prints

`clips` reads every media file of FOLDER/media, makes four variants of each in a temporary folder
(VP8, half the size in MPEG-4, the last 70 %, black bars) and looks for pairs among all of them.
The truth is known: variants of one clip are the same, and what `--same` names is. Two runs are
shown: the files as they are, and with their variants.

By itself: many 5000 20000
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.duplicates.find import find_pairs
from kinoloop.duplicates.match import Print
from kinoloop.encoders.classical_visual import describe
from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.testing.variants import VARIANTS, write_variant

MEDIA = (".mp4", ".webm", ".mkv", ".mov")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    clips = verbs.add_parser("clips")
    clips.add_argument("folder", type=Path)
    clips.add_argument("--same", nargs=2, action="append", default=[], metavar=("A", "B"))
    many = verbs.add_parser("many")
    many.add_argument("videos", type=int, nargs="+")
    options = parser.parse_args()
    if options.verb == "clips":
        measure_clips(options.folder, options.same)
    else:
        for videos in options.videos:
            measure_many(videos)


def measure_clips(folder: Path, same: Sequence[Sequence[str]]) -> None:
    """Precision and recall of pairs."""
    source = {path.name: path.name for path in sorted((folder / "media").iterdir())}
    for a, b in same:
        source[b] = source[a]
    originals = [path for path in sorted((folder / "media").iterdir()) if path.suffix in MEDIA]
    with tempfile.TemporaryDirectory() as made:
        owner = {path: (source[path.name], "as it is") for path in originals}
        for path in originals:
            for variant in VARIANTS:
                target = Path(made) / f"{path.stem}{path.suffix[1:]}-{variant}"
                try:
                    owner[write_variant(path, target, variant)] = (source[path.name], variant)
                except (av.error.FFmpegError, ValueError) as err:
                    print(f"no {variant} of {path.name}: {err}")
        read = {path: one for path in owner if (one := _read(path)) is not None}
    _score("files as they are", {p: v for p, v in read.items() if p in originals}, owner)
    _score("with their variants", read, owner)


def _read(path: Path) -> tuple[Print, NDArray[np.float32]] | None:
    try:
        found = decode_media(path)
    except MediaError as err:
        print(f"not read: {path.name}: {err}")
        return None
    vector = describe(found.frames, side=96) if len(found.frames) else np.zeros(194, np.float32)
    times, pictures = found.print_times_s, found.picture_print
    return Print(times, pictures, found.sound_print, found.duration_s), vector


def _score(
    title: str,
    read: dict[Path, tuple[Print, NDArray[np.float32]]],
    owner: dict[Path, tuple[str, str]],
) -> None:
    paths = list(read)
    vectors = np.stack([vector for _, vector in read.values()])
    started = time.process_time()
    pairs = find_pairs([one for one, _ in read.values()], DuplicatesConfig(), vectors=vectors)
    seconds = time.process_time() - started
    found = {(paths[pair.a], paths[pair.b]) for pair in pairs}
    true = {
        (a, b) for i, a in enumerate(paths) for b in paths[i + 1 :] if owner[a][0] == owner[b][0]
    }
    hits = found & true
    print(f"\n{title}: {len(paths)} files, {len(true)} true pairs, {seconds:.2f} CPU s")
    print(f"  precision {_share(len(hits), len(found))}, recall {_share(len(hits), len(true))}")
    kinds = Counter(_kind(owner, pair) for pair in true)
    kept = Counter(_kind(owner, pair) for pair in hits)
    for kind, n in sorted(kinds.items()):
        print(f"    {' and '.join(kind):34} {kept[kind]:3} of {n}")
    for a, b in sorted(found - true):
        print(f"    wrong: {a.name} and {b.name}")
    for a, b in sorted(true - found):
        print(f"    missed: {a.name} and {b.name}")


def _kind(owner: dict[Path, tuple[str, str]], pair: tuple[Path, Path]) -> tuple[str, ...]:
    return tuple(sorted(owner[path][1] for path in pair))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part} of {whole})" if whole else "– (0 of 0)"


def measure_many(videos: int) -> None:
    """Random films of 20 shots; every twentieth has a copy with six turned bits in each picture."""
    rng = np.random.default_rng(0)
    shots = rng.integers(-(2**63), 2**63 - 1, (videos, 20), dtype=np.int64)
    copies = np.arange(0, videos - 1, 20)
    shots[copies + 1] = shots[copies]
    for _ in range(6):
        turned = np.uint64(1) << rng.integers(0, 64, (len(copies), 20)).astype(np.uint64)
        shots[copies + 1] = (shots[copies + 1].view(np.uint64) ^ turned).view(np.int64)
    times, silence = np.arange(20, dtype=np.float32) / 2, np.zeros(0, np.int32)
    prints = [Print(times, row, silence, 10.0) for row in shots]
    fresh = np.zeros(videos, dtype=np.bool_)
    fresh[1] = True
    for title, wanted in (("all of them", None), ("one new video", fresh)):
        started = time.process_time()
        pairs = find_pairs(prints, DuplicatesConfig(), fresh=wanted)
        seconds = time.process_time() - started
        right = sum(pair.b == pair.a + 1 and pair.a % 20 == 0 for pair in pairs)
        expected = len(copies) if wanted is None else 1
        print(
            f"{videos} videos, {title}: {seconds:.2f} CPU s, {right} of {expected} copies found, "
            f"{len(pairs) - right} wrong, of {videos * (videos - 1) // 2:,} possible pairs"
        )


if __name__ == "__main__":
    main()
