"""Memory of a service over many promotions: flat, or does each swap leak?

    python -m benchmarks.promotion_memory
    python -m benchmarks.promotion_memory --bundle OLD --other NEW --swaps 200

The watcher of the service takes two releases in turns from a real MLflow registry, in this
process, as a worker does: fetched, verified, opened beside the one in service, asked the golden
requests, warmed up, swapped. After each swap it answers a few requests. Prints the resident memory
after 1, 50, 100 and 200 swaps; the first two are left out of the growth (both releases warm up).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from benchmarks.promote_under_load import register
from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.encoders import base as encoders
from kinoloop.models.base import build
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.signature import Trust, signed_by
from kinoloop.testing.service import SIGNER, synthetic_bundle
from serving import champion_watcher
from serving.startup import prepare_process

SHOWN = (0, 1, 2, 10, 50, 100, 150, 200)
WORDS = ("river", "city", "night", "goal", "bread", "piano", "robot", "forest")


def searchable_bundle(directory: Path, *, videos: int, seed: int) -> Path:
    """Write a release whose search encodes its queries, as that of the sample does."""
    rng = np.random.default_rng(seed)
    settings = {"kind": "minilm"}
    encoder = encoders.build(settings)
    assert isinstance(encoder, encoders.TextEncoder)
    names = [f"video-{index}" for index in range(videos)]
    titles = [" ".join(rng.choice(WORDS, 4)) for _ in names]
    vectors = encoder.encode_text(titles)
    catalogue = Catalogue(
        IdMap(names),
        np.arange(videos, dtype=np.int64),
        pl.DataFrame({"video_id": names, "title": titles}),
        {"text": Modality(vectors, np.ones(videos, dtype=bool), encoder.fingerprint)},
    )
    rows = [[Interaction(int(v)) for v in rng.choice(videos, 8, replace=False)] for _ in range(600)]
    histories = Histories.from_rows(rows, user_ids=[f"{user:032x}" for user in range(600)])
    write_bundle(
        directory,
        recommender=build({"kind": "item_knn"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        provenance=Provenance(name=f"seed {seed}", encoders={"text": settings}),
    )
    SIGNER.sign(directory)
    return directory


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", type=Path, help="a release bundle; else one is made")
    parser.add_argument("--other", type=Path, help="another one; else one is made")
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--videos", type=int, default=146)
    parser.add_argument("--without-search", action="store_true", help="no text encoder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, bundles = Path(name), []
        for seed, given in enumerate((options.bundle, options.other)):
            made = folder / f"bundle-{seed}"
            if given is None and options.without_search:
                synthetic_bundle(made, kind="item_knn", videos=options.videos, users=600, seed=seed)
            elif given is None:
                searchable_bundle(made, videos=options.videos, seed=seed)
            bundles.append(given or made)
        measure(folder, bundles, options.swaps)


def measure(folder: Path, bundles: list[Path], swaps: int) -> None:
    """Swap back and forth and print the resident memory."""
    registry = ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}")
    versions = [register(registry, bundle, f"{n}") for n, bundle in enumerate(bundles)]
    prepare_process()
    champion_watcher.RELEASE_AFTER_S = 0.0
    watcher = champion_watcher.ChampionWatcher(
        lambda: registry,
        folder / "cache",
        trust=lambda: Trust(frozenset(map(signed_by, bundles))),
        poll_s=1,
        patience_s=600,
        swapped=lambda _: None,
    )
    process, seen = psutil.Process(), dict[int, float]()
    for swap in range(swaps + 1):
        registry.set_alias("champion", versions[swap % 2].version)
        watcher.poll()
        current = watcher.current
        assert current is not None
        assert current.model_version == versions[swap % 2].version
        for user in range(20):
            history = current.release.history_of(f"{user:032x}")
            current.release.recommend(history, top_k=10)
        current.release.search("river at night", top_k=10)
        del current
        seen[swap] = process.memory_info().rss / 2**20
        if swap in SHOWN:
            print(f"after {swap:3d} swaps: {seen[swap]:7.1f} MB resident", flush=True)
    if swaps > 2:
        growth = (seen[swaps] - seen[2]) / (swaps - 2)
        print(f"growth: {growth:.3f} MB per swap")


if __name__ == "__main__":
    main()
