"""Real clips through the whole loop: import, ingest, extract, retrain, promote, and the service.

    python -m benchmarks.real_clips PATH [--keep DIRECTORY] [--query TEXT]…

PATH holds `manifest.csv` (`file`, `subject`, `subtitle_file`) and the clips in `media/`. The
subjects become titles. Nobody has watched these clips, and a release needs events, so 60 made
viewers watch at random: what `/recommend` says here means nothing, `/similar` and `/search` rest
on the clips alone. Prints what became of each file, and the answers of the real service.

Needs: a folder with manifest.csv and media/ (PATH)
"""

import argparse
import json
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness.verbs import environment_of, run_verb
from kinoloop.testing.service import running

QUERIES = ("a dog on a skateboard", "cooking in a pan", "water and boats")
SETTINGS = """[retrain]
min_interactions = 100
candidates = [{ kind = "popularity" }, { kind = "content_cosine" }]
"""
MAP = """[videos]
files = "manifest.csv"
columns.video_id = "file"
columns.title = "subject"
columns.media = "{root}/media/{file}"
columns.subtitles = "{root}/media/{subtitle_file}"
"""
USERS, DAYS, VIEWS_PER_DAY = 60, 30, 2


def main() -> int:
    """Run the loop, print, ask."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, help="folder with manifest.csv and media/")
    parser.add_argument("--keep", type=Path, help="directory to leave the state in")
    parser.add_argument("--query", action="append", help="a search; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the made viewers")
    arguments = parser.parse_args()
    home = (arguments.keep or Path(tempfile.mkdtemp(prefix="kinoloop-"))).resolve()
    home.mkdir(parents=True, exist_ok=True)
    (home / "map.toml").write_text(MAP, encoding="utf-8")
    (home / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    files = pl.read_csv(arguments.path / "manifest.csv")["file"].to_list()
    write_events(home / "landing" / "events", files, seed=arguments.seed)
    environment = environment_of(home, home / "settings.toml")
    importing = ("import", "tables", str(arguments.path.resolve()), "--map", f"{home}/map.toml")
    for verb in (importing, ("ingest",), ("extract",), ("retrain",), ("promote",)):
        status, wall, cpu, peak = run_verb(verb, home, environment)
        print(f"{verb[0]:<8} status {status}  {wall:6.1f} s  CPU {cpu:6.1f} s  {peak / 1e6:.0f} MB")
        if status:
            print((home / f"log-{verb[0]}.txt").read_text(encoding="utf-8")[-2000:])
            return 1
    report_media(home / "data")
    with running(home / "state", **environment) as url:
        for video_id in files[1:4]:
            show(f"similar to {video_id}", ask(url, "similar", video_id=video_id, top_k=3))
        for query in arguments.query or QUERIES:
            show(f"search {query!r}", ask(url, "search", query=query, top_k=3))
    return 0


def write_events(folder: Path, videos: Sequence[str], *, seed: int) -> None:
    """Write views by made users, at random."""
    rng, start = np.random.default_rng(seed), datetime.now(UTC) - timedelta(days=DAYS + 1)
    n = USERS * DAYS * VIEWS_PER_DAY
    frame = pl.DataFrame(
        {
            "user_id": [f"made-{user}" for user in rng.integers(0, USERS, n)],
            "video_id": rng.choice(videos, n).tolist(),
            "timestamp": [start + timedelta(days=day) for day in rng.uniform(0, DAYS, n)],
            "event": ["view"] * n,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "made.parquet")


def report_media(data: Path) -> None:
    """Print what became of the files."""
    media = pl.read_delta(str(data / "media"))
    outcome = media.group_by("outcome").len().sort("outcome")
    print("media:", ", ".join(f"{count} {name}" for name, count in outcome.iter_rows()))
    for row in media.filter(pl.col("outcome") != "ok").iter_rows(named=True):
        print(f"  {row['video_id']}: {row['outcome']}, {row.get('reason') or row.get('faults')}")


def ask(url: str, endpoint: str, **body: object) -> list[dict[str, Any]]:
    """Ask the service for a slate."""
    request = urllib.request.Request(
        f"{url}/{endpoint}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        slate: list[dict[str, Any]] = json.loads(answer.read())["slate"]
    return slate


def show(question: str, slate: Sequence[dict[str, Any]]) -> None:
    """Print a slate."""
    print(question)
    for place in slate:
        print(f"  {place['score']:.3f}  {place['video_id']}: {place['title']}")


if __name__ == "__main__":
    sys.exit(main())
