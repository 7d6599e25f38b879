"""Uploads under `kinoloop up`: seconds from landing to the first slate, while people are served.

    python -m benchmarks.uploads                          # makes a champion on the sample first
    python -m benchmarks.uploads --home HOME --uploads 30 --every 5 --rate 20

`up` runs with all its servers on free ports. Every `--every` seconds a file with one video lands:
every third has a clip, every third a clip with subtitles, the others words alone; halfway a title
is corrected and a video withdrawn (`hidden`). Nothing is started by hand: the landing watcher, the
events of the flows and the service do it all. Nothing is trained meanwhile. A first slate is the
first answer of `/search` for the title of an upload that holds it, asked for four times a second;
at the end each upload must be found by `/search`, be beside its neighbours in `/similar`, and be in
slates of `/recommend`. Clients ask for slates at a steady rate, before and during; each refusal
and broken connection counts as failed. `--home` keeps the champion for another run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl

from benchmarks.harness.up import Traffic, up
from benchmarks.harness.verbs import REPOSITORY, environment_of, run_verb
from kinoloop.data.arrivals import STAMPS, seconds_since_landing
from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.sample.topics import TOPICS
from kinoloop.sample.world import SampleConfig, World, build_world
from kinoloop.sample.write import write_media

SAMPLE = REPOSITORY / "data" / "sample" / "batches"
USERS = 200
SAID_S = 30.0
"""How often the wait for the last ones says what it waits for, seconds."""


def prepare(home: Path, variables: dict[str, str]) -> None:
    """Make a champion on the sample, where the home has none."""
    if (home / "champion").exists():
        return
    dvc = [sys.executable, "-m", "dvc", "pull", "--quiet"]
    subprocess.run(dvc, cwd=REPOSITORY, check=True)
    for source in sorted(SAMPLE.glob("*/*/*.parquet")):
        target = home / "landing" / source.parent.name
        target.mkdir(parents=True, exist_ok=True)
        (target / f"sample-{source.parents[1].name}-{source.name}").write_bytes(source.read_bytes())
    for verb in ("ingest", "extract", "retrain", "promote"):
        status, wall, cpu, _ = run_verb((verb,), home, variables)
        print(f"{verb}: {wall:.0f} s, {cpu:.0f} CPU s, status {status}", flush=True)
    (home / "champion").touch()


@dataclass
class Way:
    """What became of something that landed.

    Attributes:
        title: By which it is searched.
        landed: On the monotonic clock, seconds.
        seen: Likewise, when the service first showed it, or first showed the change.
    """

    title: str
    landed: float
    seen: float | None = None


@dataclass
class Watch:
    """Asks the service for what has landed, until it shows it."""

    url: str
    withdrawn: str = ""
    uploads: dict[str, Way] = field(default_factory=dict)
    changes: dict[str, Way] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def look(self, client: httpx.Client) -> None:
        """Look for everything that was not seen yet."""
        for video_id, way in list(self.uploads.items()):
            if way.seen is None and video_id in self.searched(client, way.title):
                way.seen = time.monotonic()
        for video_id, way in list(self.changes.items()):
            if way.seen is None and self._has_changed(client, video_id, way.title):
                way.seen = time.monotonic()

    def searched(self, client: httpx.Client, title: str) -> list[str]:
        """Ids that `/search` finds."""
        return self.slate(client, "/search", {"query": title, "top_k": 10})

    def slate(self, client: httpx.Client, path: str, body: dict[str, Any]) -> list[str]:
        """Ids of a slate; a refusal is noted."""
        answer = client.post(path, json=body)
        if not answer.is_success:
            self.failed.append(f"{path}: {answer.status_code} {answer.text[:120]}")
            return []
        return [video["video_id"] for video in answer.json()["slate"]]

    def _has_changed(self, client: httpx.Client, video_id: str, title: str) -> bool:
        answer = client.get(f"/videos/{video_id}")
        if video_id == self.withdrawn:
            return answer.status_code == 404
        return answer.is_success and answer.json()["title"] == title

    def missing(self) -> list[str]:
        """Say what was not seen yet."""
        ways = (*self.uploads.items(), *self.changes.items())
        return [f"{video_id} “{way.title}”" for video_id, way in ways if way.seen is None]


def row_of(world: World, at: int, home: Path) -> dict[str, Any]:
    """Landing row of an upload, whose clip is made where it has one."""
    video = world.videos[at]
    row = {
        "video_id": f"upload-{world.config.seed}-{at:03d}",
        "title": video.title,
        "description": video.description,
        "category": TOPICS[video.topic].category,
        "tags": video.tags,
        "creator_id": world.creators[video.creator],
        "duration_s": video.seconds,
    }
    if at % 3:
        folder = home / "landing" / f"media-{world.config.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        write_media(folder, world, video)
        row["media"] = f"{folder.name}/{video.video_id}.mp4"
        side = next(
            (folder / f"{video.video_id}.{s}" for s in ("srt", "vtt") if s == video.subtitles), None
        )
        row["subtitles"] = f"{folder.name}/{side.name}" if side and side.exists() else None
    return row


def land(home: Path, name: str, row: dict[str, Any]) -> float:
    """Let a file of one video arrive, whole; returns when."""
    target = home / "landing" / "videos" / f"{name}.jsonl"
    hidden = target.with_name(f".{name}.tmp")
    hidden.write_text(json.dumps(row) + "\n")
    hidden.rename(target)
    return time.monotonic()


def arrive(
    home: Path, watch: Watch, rows: list[dict[str, Any]], *, every_s: float, patience_s: float
) -> None:
    """Let everything arrive, and look for it until all is seen, or for a time after the last."""
    videos = pl.read_delta(str(home / "data" / "videos"))
    open_ = videos.filter(pl.col("hidden").fill_null(value=False).not_())
    open_ = open_.drop_nulls("published_at").sort("published_at")
    known = {row["video_id"]: row for row in open_.to_dicts()}
    pending, after = list(enumerate(rows)), time.monotonic()
    with httpx.Client(base_url=watch.url, timeout=60.0) as client:
        end = say = after + len(rows) * every_s + patience_s
        while (missing := watch.missing()) or pending:
            if time.monotonic() > end:
                print(f"given up after {patience_s:.0f} s: {'; '.join(missing)}", flush=True)
                break
            if not pending and time.monotonic() > say:
                print(f"waits for {len(missing)}: {'; '.join(missing[:5])}", flush=True)
                say += SAID_S
            if pending and time.monotonic() >= after:
                at, row = pending.pop(0)
                row = row | {"published_at": datetime.now(UTC).isoformat()}
                watch.uploads[row["video_id"]] = Way(row["title"], land(home, row["video_id"], row))
                after, say = after + every_s, time.monotonic() + SAID_S
                if at == len(rows) // 2:
                    _change(home, watch, known)
            watch.look(client)
            time.sleep(0.25)


def _change(home: Path, watch: Watch, known: dict[str, dict[str, Any]]) -> None:
    corrected, watch.withdrawn = list(known)[:2]
    for video_id, change in (
        (corrected, {"title": f"Corrected: {known[corrected]['title']}"}),
        (watch.withdrawn, {"hidden": True}),
    ):
        kept = ("video_id", "title", "description", "category", "tags", "creator_id", "media")
        row = {name: known[video_id][name] for name in kept} | change
        row["published_at"] = known[video_id]["published_at"].isoformat()
        watch.changes[video_id] = Way(row["title"], land(home, f"change-{video_id}", row))


def where(watch: Watch) -> str:
    """In which answers uploads are at the end."""
    with httpx.Client(base_url=watch.url, timeout=60.0) as client:
        found = {
            video_id: watch.searched(client, way.title) for video_id, way in watch.uploads.items()
        }
        searched = sum(video_id in ids for video_id, ids in found.items())
        similar = 0
        for video_id in watch.uploads:
            near = watch.slate(client, "/similar", {"video_id": video_id, "top_k": 10})
            back = (
                watch.slate(client, "/similar", {"video_id": other, "top_k": 50}) for other in near
            )
            similar += any(video_id in ids for ids in back)
        recommended: set[str] = set()
        for user in range(1, USERS + 1):
            body = {"user_id": f"user-{user:04d}", "top_k": 20}
            recommended |= set(watch.slate(client, "/recommend", body))
        shown = recommended | {video_id for ids in found.values() for video_id in ids}
    n = len(watch.uploads)
    return (
        f"in /search {searched} of {n}, in /similar of a neighbour {similar}, in /recommend of "
        f"{USERS} users {len(recommended & watch.uploads.keys())}; withdrawn but shown: "
        f"{sorted({watch.withdrawn} & shown) or 'none'}"
    )


def stations(home: Path) -> str:
    """Seconds from landing to each station, of the newest catalogue version."""
    registry = ModelRegistry(f"sqlite:///{home / 'state' / 'mlflow.db'}")
    champion = registry.champion()
    assert champion is not None
    folder = Environment(state_dir=home / "state").releases / champion.catalogue
    videos = pl.read_parquet(folder / "videos.parquet")
    said = []
    for stamp in STAMPS[1:]:
        took = seconds_since_landing(videos, stamp)
        p50, p95 = np.percentile(took, [50, 95]) if len(took) else (np.nan, np.nan)
        said.append(f"{stamp.removesuffix('_at')} {p50:.0f} / {p95:.0f}")
    return f"p50 / p95 of seconds from landing: {', '.join(said)} ({len(videos)} videos)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--home", type=Path, help="kept; a temporary folder where not named")
    parser.add_argument("--uploads", type=int, default=30)
    parser.add_argument("--seed", type=int, default=77, help="of titles and clips; not 20")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two uploads")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second meanwhile")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds after the last one")
    parser.add_argument("--before", type=float, default=30.0, help="seconds of load before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uploads-", ignore_cleanup_errors=True) as scratch:
        home = (options.home or Path(scratch)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        settings = home / "kinoloop.toml"
        if not settings.exists():
            settings.write_bytes((REPOSITORY / "kinoloop.toml").read_bytes())
        variables = environment_of(home, settings)
        prepare(home, variables)
        measure(home, variables, options)


def measure(home: Path, variables: dict[str, str], options: argparse.Namespace) -> None:
    """Let uploads arrive under `up`, and say what became of them."""
    world = build_world(SampleConfig(seed=options.seed, videos=max(30, options.uploads)))
    rows = [row_of(world, at, home) for at in range(options.uploads)]
    with up(home, variables) as url:
        watch, traffic = Watch(url), Traffic(url, options.rate)
        began = time.monotonic()
        time.sleep(options.before)
        first = time.monotonic()
        try:
            arrive(home, watch, rows, every_s=options.every, patience_s=options.patience)
        finally:
            traffic.end()
        ended = time.monotonic()
        took = [way.seen - way.landed for way in watch.uploads.values() if way.seen is not None]
        p50, p95 = np.percentile(took, [50, 95]) if took else (np.nan, np.nan)
        print(
            f"{len(took)} of {len(rows)} uploads in a first slate: p50 {p50:.1f} s, "
            f"p95 {p95:.1f} s, at most {max(took, default=np.nan):.1f} s; "
            f"load {os.getloadavg()[0]:.1f}"
        )
        for video_id, way in watch.changes.items():
            seen = "never" if way.seen is None else f"{way.seen - way.landed:.1f} s"
            print(f"{'withdrawn' if video_id == watch.withdrawn else 'corrected title'}: {seen}")
        print(f"before: {traffic.said(began, first)}")
        print(f"during: {traffic.said(first, ended)}")
        print(where(watch))
        print(stations(home))
        print(f"searches refused: {watch.failed or 'none'}")
        counted = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
        print(
            *(line for line in counted if line.startswith("kinoloop_upload_seconds_count")),
            sep="\n",
        )


if __name__ == "__main__":
    main()
