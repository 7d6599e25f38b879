"""Surveillance, sound-only and text-only catalogues through the loop, by settings alone.

    make domains                              # all three, a few minutes
    python -m examples.domains text --per-kind 6

Each catalogue is made in a folder of its own with the settings beside this file, imported by flags
that name its columns and kinds of event, run through `kinoloop loop` (ingest, extract, drift,
retrain, promote), and asked. The table says what each did; status 1 if one has no champion.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from examples.domains.catalogues import DOMAINS, Domain, write
from kinoloop.data.histories import Interaction
from kinoloop.data.moderation import withheld
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust

TOP_K = 5
COLUMNS = (
    "catalogue",
    "videos",
    "vectors",
    "champion",
    "slate",
    "similar",
    "search",
    "withheld",
    "s",
)


def main() -> int:
    """Run the catalogues and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [domain.name for domain in DOMAINS]
    parser.add_argument("names", nargs="*", choices=(*names, []), help="default: all")
    parser.add_argument("--per-kind", type=int, help="videos of each kind")
    wanted = parser.parse_args()
    rows = []
    for domain in DOMAINS:
        if domain.name not in (wanted.names or names):
            continue
        with tempfile.TemporaryDirectory(prefix=f"kinoloop-{domain.name}-") as folder:
            rows.append(_run(domain, Path(folder), wanted.per_kind or domain.per_kind))
    print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(
        f"\nslate, similar: of the first {TOP_K} videos, the share of the kind that the history or "
        "the video is of (one in three by chance); search: the best three for the query."
    )
    return 1 if any(row[3] == "none" for row in rows) else 0


def _run(domain: Domain, folder: Path, per_kind: int) -> tuple[str, ...]:
    started = time.monotonic()
    kinds = write(domain, folder / "source", per_kind=per_kind)
    shutil.copy(Path(__file__).with_name(f"{domain.name}.toml"), folder / "kinoloop.toml")
    places = {
        "KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml"),
        "KINOLOOP_DATA_DIR": str(folder / "data"),
        "KINOLOOP_LANDING": str(folder / "landing"),
        "KINOLOOP_STATE_DIR": str(folder / ".kinoloop"),
        "PREFECT_HOME": str(folder / "prefect"),
    }
    flags = ["--map-columns", domain.columns, "--map-events", domain.events]
    print(f"== {domain.name}: {len(kinds)} videos", flush=True)
    _kinoloop(folder, places, "import", "tables", str(folder / "source"), *flags)
    _kinoloop(folder, places, "loop", "--always-retrain")
    os.environ.update(places)
    return (domain.name, str(len(kinds)), *_ask(domain, kinds), f"{time.monotonic() - started:.0f}")


def _kinoloop(folder: Path, places: dict[str, str], *verb: str) -> None:
    command = [sys.executable, "-m", "kinoloop.cli", *verb]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **places}, check=False)
    if done.returncode:
        raise SystemExit(f"kinoloop {verb[0]} ended with status {done.returncode}")


def _ask(domain: Domain, kinds: dict[str, str]) -> tuple[str, ...]:
    """Ask the champion; returns cells of the table."""
    environment = Environment()
    kept = set(withheld(Tables(environment.data_dir)).filter("withheld").collect()["video_id"])
    registry, trust = ModelRegistry(environment.tracking_uri), load_trust(environment)
    champion = registry.champion()
    if champion is None:
        return "", "none", "", "", "", str(len(kept))
    release = Release.open(registry.download(champion, environment.releases, trust=trust), trust)
    ids, right = release.catalogue.ids, {"slate": [], "similar": []}
    for kind in dict.fromkeys(kinds.values()):
        first, second = [video for video, of in kinds.items() if of == kind][:2]
        history = [
            Interaction(ids.index(one), timestamp=i) for i, one in enumerate((first, second))
        ]
        if first not in kept:
            slates = {
                "slate": release.recommend(history, top_k=TOP_K),
                "similar": release.similar(first, top_k=TOP_K),
            }
            for name, slate in slates.items():
                right[name] += [kinds[place.video_id] == kind for place in slate]
    found = release.search(domain.query, top_k=3) if domain.query else ()
    shares = [f"{np.mean(right[name]):.2f}" for name in ("slate", "similar")]
    searched = ", ".join(place.video_id for place in found) or "no words"
    vectors = ", ".join(release.catalogue.modalities)
    return vectors, release.info.kind, *shares, searched, str(len(kept))


if __name__ == "__main__":
    sys.exit(main())
