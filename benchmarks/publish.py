"""What a catalogue version costs to make, and what it costs those who ask meanwhile.

    python -m benchmarks.publish                     # cost at 146, 19,220 and 100,000 videos
    python -m benchmarks.publish --sizes 100000 --new 1,1000
    python -m benchmarks.publish --swaps 100         # catalogue swaps under load
    python -m benchmarks.publish --takedowns 5       # until the last answer of each worker

`publish` is killed by `python -m benchmarks.kill_verbs --verbs publish`. Tables are synthetic, of
one to three modalities as the sample has them; the registry is a real MLflow on SQLite. "made" is
the growth of the catalogue and the writing of its version, "stored" the way into the registry,
"opened" what a worker of the service does before it swaps: fetch, hash every byte, load, ask the
golden requests. Seconds are of the wall, CPU seconds of the process: on a busy machine the second
ones compare.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.harness.swapping import swap, take_down
from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.growth import grow
from kinoloop.data.histories import Histories
from kinoloop.data.tables import Tables
from kinoloop.models.base import build
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.registry.catalogues import fetch_catalogue, store_catalogue
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import ModelVersion
from kinoloop.registry.runs import Runs
from kinoloop.release.bundle import write_bundle
from kinoloop.release.release import Release
from kinoloop.release.version import write_version
from kinoloop.schema import FEATURES, VIDEOS, Schema
from kinoloop.testing.service import KEY, SIGNER, TRUST, running
from serving.in_service import load

DIMS = {"text": 384, "visual": 128}
WORDS = ("river", "city", "night", "goal", "bread", "piano", "robot", "forest", "dance", "train")
START_US = 1_780_000_000_000_000
USERS = 5000
WORKERS = 2
OPERATOR = "ab" * 32


class World:
    """Tables, a registry and a champion of `n` videos.

    Args:
        root: Everything goes below it.
        n: Videos that the model is trained on.
    """

    def __init__(self, root: Path, n: int) -> None:
        self.root, self.rng = root, np.random.default_rng(0)
        self.tables = Tables(root / "data")
        self.releases = root / "releases"
        self.registry = ModelRegistry(f"sqlite:///{root / 'mlflow.db'}")
        self.videos = 0
        self.arrive(n, ago=timedelta(days=1))
        catalogue = load_catalogue(self.tables)
        histories = _histories(self.rng, n, min(USERS, 20 * n))
        bundle = root / "model"
        write_bundle(
            bundle,
            recommender=build({"kind": "item_knn"}).fit(histories, catalogue),
            catalogue=catalogue,
            histories=histories,
        )
        SIGNER.sign(bundle)
        run_id = Runs(self.registry.tracking_uri).start("m", key="m", params={}, tags={})
        self.registry.set_alias(
            "champion", self.registry.register(bundle, run_id=run_id, tags={}).version
        )
        self.model = Release.open(self.registry.download(self.champion, self.releases, trust=TRUST))
        self.before = self.model
        self.made = 0

    @property
    def champion(self) -> ModelVersion:
        """The version that serves."""
        found = self.registry.champion()
        assert found is not None
        return found

    def arrive(self, count: int, *, ago: timedelta = timedelta(0)) -> None:
        """Let videos arrive, with their vectors, which were extracted some time ago."""
        at = np.arange(self.videos, self.videos + count)
        ids = [f"video-{i}" for i in at]
        titles = [" ".join(row) for row in np.array(WORDS)[self.rng.integers(0, 10, (count, 5))]]
        published = pl.Series(START_US + at).cast(pl.Datetime("us", "UTC"))
        rows = pl.DataFrame({"video_id": ids, "title": titles, "published_at": published})
        _write(self.tables, "videos", rows, VIDEOS)
        for name, dim in DIMS.items():
            vectors = self.rng.standard_normal((count, dim)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            features = pl.DataFrame(
                {
                    "video_id": ids,
                    "modality": name,
                    "fingerprint": f"synthetic-{name}",
                    "present": True,
                    "vector": pl.Series(vectors, dtype=pl.Array(pl.Float32, dim)).cast(
                        pl.List(pl.Float32)
                    ),
                    "extracted_at": datetime.now(UTC) - ago,
                }
            )
            _write(self.tables, "features", features, FEATURES)
        self.videos += count

    def make(self) -> Path:
        """Make the next catalogue version, signed."""
        known = self.before.info.catalogue
        growth = grow(
            self.tables, self.before.catalogue, since=known.extracted_until if known else 0
        )
        self.made += 1
        directory = self.releases / f"made-{self.made}"
        write_version(
            directory,
            model=self.model,
            before=self.before,
            growth=growth,
            thumbnails=(),
            made_of={"dataset_version": str(self.made), "table_versions": {}},
        )
        SIGNER.sign(directory)
        return directory

    def store(self, directory: Path) -> None:
        """Let the champion point at a version."""
        store_catalogue(self.registry, self.champion, directory, model=self.model.info)

    def publish(self) -> int:
        """Let a video arrive, make and store the next version, and go on from it: its number."""
        self.arrive(1)
        directory = self.make()
        self.store(directory)
        self.before = Release.open(directory, TRUST)
        return self.made


def cost(sizes: list[int], arriving: list[int]) -> None:
    """Print what a version costs, by size of the catalogue and videos that are new."""
    print(f"{'videos':>8} {'new':>6} {'made s':>8} {'CPU s':>7} {'stored s':>9} {'opened s':>9}")
    for n in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            world = World(Path(scratch), n)
            world.publish()  # the first version reads all vectors; later ones what is new
            for count in arriving:
                world.arrive(count)
                wall, cpu = time.perf_counter(), time.process_time()
                directory = world.make()
                made, used = time.perf_counter() - wall, time.process_time() - cpu
                wall = time.perf_counter()
                world.store(directory)
                stored = time.perf_counter() - wall
                wall = time.perf_counter()
                cache = Path(scratch) / f"cache-{count}"
                world.registry.download(world.champion, cache, trust=TRUST)
                load(fetch_catalogue(world.registry, world.champion, cache, trust=TRUST), TRUST)
                opened = time.perf_counter() - wall
                world.before = Release.open(directory, TRUST)
                print(
                    f"{n:>8,} {count:>6,} {made:>8.2f} {used:>7.2f} {stored:>9.2f} {opened:>9.2f}",
                    flush=True,
                )


def swaps(count: int, rate: float, requests: int) -> None:
    """Swap catalogues under load, with the settings as they come but for two workers."""
    with tempfile.TemporaryDirectory() as scratch:
        world = World(Path(scratch), 146)
        with _serving(world) as url:
            swap(url, world.publish, workers=WORKERS, count=count, rate=rate, requests=requests)


def takedowns(count: int, rate: float) -> None:
    """Take videos down under load."""
    with tempfile.TemporaryDirectory() as scratch:
        world = World(Path(scratch), 146)
        with _serving(world) as url:
            take_down(url, OPERATOR, workers=WORKERS, count=count, rate=rate)


@contextmanager
def _serving(world: World) -> Iterator[str]:
    """Run the service with two workers, which follow what the world publishes."""
    settings = world.root / "kinoloop.toml"
    settings.write_text(f"[serving]\nworkers = {WORKERS}\npoll_s = 0.25\n")
    variables = {"KINOLOOP_SETTINGS_FILE": str(settings), "KINOLOOP_OPERATOR_KEY": OPERATOR}
    variables |= {"KINOLOOP_MLFLOW_URI": world.registry.tracking_uri}
    world.releases.mkdir(exist_ok=True)
    with running(world.root, **variables) as url:
        yield url


def _write(tables: Tables, name: str, rows: pl.DataFrame, schema: Schema) -> None:
    lacking = [pl.lit(None, dtype=t).alias(c) for c, t in schema.items() if c not in rows.columns]
    rows.with_columns(lacking).select(*schema).write_delta(str(tables.path(name)), mode="append")


def _histories(rng: np.random.Generator, videos: int, users: int) -> Histories:
    rows = np.repeat(np.arange(users), 8)
    watched = (rng.random(len(rows)) ** 2 * videos).astype(np.int64)
    unique = np.unique(rows * videos + watched)
    rows, watched = unique // videos, unique % videos
    return Histories(
        offsets=np.searchsorted(rows, np.arange(users + 1)).astype(np.int64),
        videos=watched.astype(np.int32),
        weights=np.ones(len(rows), dtype=np.float32),
        timestamps=START_US + np.arange(len(rows), dtype=np.int64) * 1_000_000,
        kinds=np.ones(len(rows), dtype=np.uint8),
        watch_shares=np.full(len(rows), np.nan, dtype=np.float32),
        user_ids=tuple(Pseudonyms(bytes.fromhex(KEY)).of_all(f"user-{i}" for i in range(users))),
    )


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", default="146,19220,100000", help="videos, commas")
    parser.add_argument("--new", default="1,1000", help="videos that arrive, commas")
    parser.add_argument("--swaps", type=int, default=0, help="catalogue swaps under load")
    parser.add_argument("--takedowns", type=int, default=0, help="under load")
    parser.add_argument("--rate", type=float, default=60.0, help="requests per second meanwhile")
    parser.add_argument("--requests", type=int, default=20_000, help="beside the swaps, at least")
    options = parser.parse_args()
    if options.swaps:
        swaps(options.swaps, options.rate, options.requests)
    elif options.takedowns:
        takedowns(options.takedowns, options.rate)
    else:
        cost(*([int(n) for n in text.split(",")] for text in (options.sizes, options.new)))


if __name__ == "__main__":
    main()
