"""A release of a million videos, or ten: what it costs to make, to hold and to ask.

    python -m benchmarks.large_catalogue FOLDER          # a million, with text vectors
    python -m benchmarks.large_catalogue FOLDER --videos 10000000 --dim 32 --content none
    python -m benchmarks.large_catalogue FOLDER --ask                  # only ask what is there

Videos are generated (`harness/large_world.py`). Stages run in processes of their own and print CPU
seconds beside those of the wall, and the largest memory. `ask` opens the release as a worker does,
tells what of its memory is its own and what is mapped, and asks in turns by index and by scoring
every video: milliseconds of CPU and of the wall, and the share of the exact answers that was found.
`publish` adds videos.

Needs: a folder with room, 8 GB for a million videos (FOLDER)
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from benchmarks.harness.large_world import TEXT, make_world, phrase
from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.growth import Growth
from kinoloop.data.ids import IdMap
from kinoloop.policy.filters import EVERYTHING, Filters
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.info import Provenance, read_info
from kinoloop.release.release import Release
from kinoloop.release.slate import Slate
from kinoloop.release.version import write_version
from kinoloop.retrieval.config import RetrievalConfig

T = TypeVar("T")

USERS = 20_000
TOP_K = 10
STAGES = ("make", "ask", "publish")


def make(folder: Path, options: argparse.Namespace) -> None:
    """Write the release."""
    with told("generate"):
        world = make_world(options.videos, dim=options.dim, users=USERS, content=options.content)
    with told("write the release, with its indexes"):
        write_bundle(
            folder / "bundle",
            recommender=world.recommender,
            catalogue=world.catalogue,
            histories=world.histories,
            provenance=Provenance(encoders={"text": TEXT} if options.content == "text" else {}),
            retrieval=RetrievalConfig(),
        )
    files = sorted((folder / "bundle").rglob("*"), key=lambda p: -p.stat().st_size)
    for path in files[:8]:
        size = path.stat().st_size / 2**20
        print(f"    {size:8.0f} MB  {path.relative_to(folder / 'bundle')}")


def ask(folder: Path, options: argparse.Namespace) -> None:
    """Open the release and ask it."""
    before = _memory()
    with told("open, every byte hashed"):
        release = Release.open(folder / "bundle")
    with told("golden requests and first answer"):
        release.ask_golden()
        release.warm_up()
    _tell_memory(before, release)
    for name, plan in release.indexes.plans.items():
        for level in plan.levels if plan else ():
            how = f"{level.probes} lists" if level.probes else "all that are left"
            print(
                f"    {name:10} {level.share:6.1%} left: recall {level.recall:.4f}, of a region "
                f"{level.recall_near:.4f}, {how}"
            )
    users = [release.histories.row(row) for row in range(0, USERS, max(1, USERS // options.asked))]
    videos = range(0, len(release.catalogue), max(1, len(release.catalogue) // options.asked))
    ids = release.catalogue.ids.externals(list(videos))
    texts = [phrase(int(t)) for t in np.random.default_rng(9).integers(0, 2_000, options.asked)]
    print(
        f"{'':34} {'index, CPU ms p50 / p99':>24} {'wall':>16} {'exact, CPU ms':>14} {'found':>7}"
    )
    for share, filters in _filters(release):
        _measure(
            f"/recommend, {share:6.2%} left",
            lambda row, given: release.recommend(row, top_k=TOP_K, given=given),
            users,
            filters,
        )
        if options.content != "none":
            _measure(
                f"/similar,   {share:6.2%} left",
                lambda one, given: release.similar(one, top_k=TOP_K, given=given),
                ids,
                filters,
            )
        if options.content == "text":
            _measure(
                f"/search,    {share:6.2%} left",
                lambda one, given: release.search(one, top_k=TOP_K, given=given),
                texts,
                filters,
            )
    _tell_memory(before, release)


def publish(folder: Path, options: argparse.Namespace) -> None:
    """Publish a catalogue version with new videos, which are copies of known ones, and open it."""
    before, new = Release.read(folder / "bundle", read_info(folder / "bundle")), options.new
    catalogue = before.catalogue
    rows = catalogue.videos[:new].with_columns(
        video_id=pl.select(pl.format("new-{}", pl.int_range(new))).to_series()
    )
    with told(f"grow by {new:,} videos"):
        grown = Catalogue(
            IdMap([*catalogue.ids.ids, *rows["video_id"]]),
            np.concatenate([catalogue.published_at, catalogue.published_at[:new]]),
            pl.concat([catalogue.videos, rows]),
            {
                name: Modality(
                    np.concatenate([one.vectors, one.vectors[:new]]),
                    np.concatenate([one.present, one.present[:new]]),
                    one.fingerprint,
                )
                for name, one in catalogue.modalities.items()
            },
        )
    shutil.rmtree(folder / "version", ignore_errors=True)
    with told("write the version, with its indexes"):
        write_version(
            folder / "version",
            model=before,
            before=before,
            growth=Growth(grown, new, np.empty(0, np.intp), 0, 0),
            thumbnails=(),
            made_of={"dataset_version": "2", "table_versions": {}},
        )
    with told("swap: open beside the old one, every byte hashed, golden requests, first answer"):
        after = Release.open(folder / "version")
        after.ask_golden()
        after.warm_up()
    for name, plan in after.indexes.plans.items():
        if plan is not None:
            made = "appended" if plan.built < plan.videos else "made anew"
            print(f"    {name}: {made}, {plan.probes} lists at first, {plan.levels[0].probes} now")


def _measure(
    name: str, answer: Callable[[T, Given], Slate], asked: Sequence[T], filters: Filters
) -> None:
    cpu, wall, exact, shares = [], [], [], []
    for at, one in enumerate(asked):
        given = Given(filters=filters)
        started, used = time.perf_counter(), time.process_time()
        slate = answer(one, given)
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - started)
        if at % 5 == 0:
            used = time.process_time()
            every = answer(one, given._replace(exact=True))
            exact.append(time.process_time() - used)
            names = {place.video_id for place in every}
            found = names & {place.video_id for place in slate}
            shares.append(len(found) / max(1, len(names)))
    ms = [np.percentile(1e3 * np.array(times), (50, 99)) for times in (cpu, wall)]
    print(
        f"{name:34} {ms[0][0]:12.2f} / {ms[0][1]:9.2f} {ms[1][0]:7.2f} / {ms[1][1]:6.2f}"
        f" {1e3 * np.median(exact):14.2f} {np.mean(shares):7.4f}",
        flush=True,
    )


def _filters(release: Release) -> list[tuple[float, Filters]]:
    """No filter, and filters that leave about a tenth, a hundredth and a thousandth."""
    found: list[tuple[float, Filters]] = [(1.0, EVERYTHING)]
    videos = release.catalogue.videos
    for share in (0.1, 0.01, 0.001):
        near = []
        for column in sorted({"language", "category", "creator_id"} & set(videos.columns)):
            counts = videos.group_by(column).agg(pl.len())
            apart = (counts["len"] / len(videos) / share).log().abs()
            row = counts.row(int(apart.arg_min() or 0))
            near.append((float(apart.min() or 0), {column: row[0]}, row[1] / len(videos)))
        _, filters, left = min(near, key=lambda one: one[0])
        found.append((left, filters))
    return found


def _memory() -> dict[str, float]:
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return {row.split(":")[0]: float(row.split()[1]) / 1024 for row in rows}


def _tell_memory(before: dict[str, float], release: Release) -> None:
    after, n = _memory(), len(release.catalogue)
    own = after["Anonymous"] - before["Anonymous"]
    mapped = after["Rss"] - before["Rss"] - own
    print(
        f"    memory: {own:.0f} MB of its own ({own * 2**20 / n:.0f} bytes per video), "
        f"{mapped:.0f} MB mapped and read so far"
    )


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print what something cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{what}: {time.process_time() - cpu:.1f} CPU s, {time.perf_counter() - wall:.1f} s, "
        f"largest memory so far {peak:.2f} GB, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64, help="of the recommender")
    kinds = ("text", "visual", "none")
    parser.add_argument("--content", choices=kinds, default="text", help="of the videos")
    parser.add_argument("--asked", type=int, default=100, help="requests of each kind")
    parser.add_argument("--new", type=int, default=1_000, help="videos that a version adds")
    parser.add_argument("--ask", action="store_true", help="of a release that is there")
    parser.add_argument("--stage", choices=STAGES, help="this one alone, in this process")
    options = parser.parse_args()
    if options.stage:
        {"make": make, "ask": ask, "publish": publish}[options.stage](options.folder, options)
        return
    for stage in STAGES[1:] if options.ask else STAGES:
        command = [sys.executable, "-m", "benchmarks.large_catalogue", *sys.argv[1:]]
        subprocess.run([*command, "--stage", stage], check=True)


if __name__ == "__main__":
    main()
