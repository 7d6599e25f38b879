"""Kill ingest, extract, retrain and promote at random moments: nothing is lost, nothing stuck.

    python -m benchmarks.kill_verbs [--kills 20] [--seed 0] [--verbs ingest,extract,retrain,promote]

Runs the verbs of the command line, without servers, each in a process group of its own that is
killed with SIGKILL after a random time, again and again, and at last lets each run to its end.
Lost: rows, releases or records that should be there, and rows that are there twice. Stuck: a last
run that fails. Ends with status 1 if there is any of either, or if `kinoloop verify` finds damage.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import psutil
from rich.console import Console
from rich.table import Table

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.signature import load_trust
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.toy import toy_catalogue, toy_histories

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = """
[extract]
shard_videos = 3
shard_texts = 8
encoders = [{ kind = "classical_visual" }, { kind = "classical_audio" }]

[retrain]
min_interactions = 50
min_users = 5
validation_days = 4
test_days = 6
candidates = [{ kind = "popularity" }, { kind = "item_knn" }]

[ranker]
enabled = false

[promote]
min_users = 5
min_coverage = 0.0
max_over_floor = 1000.0
"""
VIDEOS, CLIPS, USERS, BATCHES = 40, 12, 60, 3


class Lab:
    """A project of its own: landing zone, settings, tables, state."""

    def __init__(self, root: Path, rng: np.random.Generator) -> None:
        self.root, self.rng = root, rng
        self.tables = Tables(root / "data")
        self.registry = ModelRegistry(f"sqlite:///{root / 'state' / 'mlflow.db'}")
        self.events: set[str] = set()
        self.batches = 0
        (root / "kinoloop.toml").write_text(SETTINGS)
        for kind in ("videos", "events"):
            (root / "landing" / kind).mkdir(parents=True)
        self.catalogue = toy_catalogue(VIDEOS)
        self.videos()
        for _ in range(BATCHES):
            self.arrive()

    def variables(self) -> dict[str, str]:
        """Return the environment variables that the verbs read."""
        return {
            **os.environ,
            "KINOLOOP_LANDING": str(self.root / "landing"),
            "KINOLOOP_DATA_DIR": str(self.root / "data"),
            "KINOLOOP_STATE_DIR": str(self.root / "state"),
            "KINOLOOP_SETTINGS_FILE": str(self.root / "kinoloop.toml"),
            "PYTHONPATH": str(ROOT),
        }

    def videos(self) -> None:
        """Land the catalogue; some of its videos have a clip."""
        rows = self.catalogue.videos.select("video_id", "title", "published_at").to_dicts()
        for i, row in enumerate(rows):
            row["media"] = f"{i}.mp4" if i < CLIPS else None
            if i < CLIPS:
                red, green, blue = (int(value) for value in self.rng.integers(0, 256, 3))
                path = self.root / "landing" / f"{i}.mp4"
                bar_clip(path, seconds=1.0, size=(160, 96), colour=(red, green, blue))
        pl.DataFrame(rows).write_parquet(self.root / "landing" / "videos" / "all.parquet")

    def arrive(self) -> None:
        """Land one more file of events."""
        histories = toy_histories(self.catalogue, USERS, seed=self.batches)
        owner = histories.row_of
        ids = [f"{self.batches}-{i}" for i in range(len(histories.videos))]
        frame = pl.DataFrame(
            {
                "user_id": [f"{histories.user_ids[row]}-{self.batches}" for row in owner],
                "video_id": [self.catalogue.ids.ids[int(video)] for video in histories.videos],
                "timestamp": pl.Series(histories.timestamps).cast(pl.Datetime("us", "UTC")),
                "event": "view",
                "watch_s": 30 * np.nan_to_num(histories.watch_shares, nan=1.0),
                "event_id": ids,
            }
        )
        frame.write_parquet(self.root / "landing" / "events" / f"{self.batches:03d}.parquet")
        self.events |= set(ids)
        self.batches += 1

    def run(self, *verb: str, after_s: float | None = None) -> int | None:
        """Run a verb; its status, None where it was killed."""
        log = self.root / "last.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "kinoloop.cli", *verb],
                cwd=self.root,
                env=self.variables(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(after_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self.reap()
                return None

    def reap(self) -> int:
        """End what a killed run left running; how many."""
        ended = 0
        for process in psutil.process_iter():
            try:
                if process.environ().get("KINOLOOP_STATE_DIR") == str(self.root / "state"):
                    process.kill()
                    ended += 1
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return ended


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", default="ingest,extract,retrain,promote")
    options = parser.parse_args()
    console, table = Console(width=110), Table("verb", "killed", "ended", "lost", "stuck")
    bad = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lab = Lab(Path(folder), np.random.default_rng(options.seed))
        wanted = options.verbs.split(",")
        for verb, command, before, lost in PHASES:
            kills = options.kills if verb in wanted else 0
            killed, ended, found, stuck = _phase(lab, command, kills, before, lost)
            bad += len(found) + stuck
            table.add_row(verb, str(killed), str(ended), "; ".join(found) or "0", str(stuck))
            console.print(f"{verb}: {killed} killed, lost {found or 0}, stuck {stuck}")
        verified = lab.run("verify")
        load = os.getloadavg()[0]
        console.print(table)
        console.print(f"kinoloop verify ended with status {verified}; load {load:.1f}")
        if verified:
            console.print((lab.root / "last.log").read_text())
    return 1 if bad or verified else 0


def _phase(
    lab: Lab,
    command: tuple[str, ...],
    kills: int,
    before: Callable[[Lab], None],
    lost: Callable[[Lab], list[str]],
) -> tuple[int, int, list[str], int]:
    """One undisturbed run, `kills` killed ones, a last one: killed, ended, lost, stuck."""
    before(lab)
    started = time.monotonic()
    if lab.run(*command) != 0:
        raise SystemExit(f"{command} failed undisturbed:\n{(lab.root / 'last.log').read_text()}")
    whole_s = time.monotonic() - started
    killed, ended, stuck = 0, 0, 0
    found: list[str] = []
    while killed < kills and ended < 2 * kills:
        before(lab)
        status = lab.run(*command, after_s=lab.rng.uniform(0.2, 1.0) * whole_s)
        killed += status is None
        ended += status == 0
        if status not in {0, None}:
            stuck += 1
            print((lab.root / "last.log").read_text())
    for _ in range(2 if kills else 0):  # the second finds that the first left nothing to do
        if lab.run(*command) != 0:
            stuck += 1
            print((lab.root / "last.log").read_text())
    found += lost(lab)
    return killed, ended, found, stuck


def _nothing(lab: Lab) -> None:
    """Nothing has to be made ready."""


def _arrived(lab: Lab) -> None:
    lab.arrive()


def _lost_events(lab: Lab) -> list[str]:
    events = lab.tables.scan("events").select("event_id").collect()["event_id"].to_list()
    quarantined = lab.tables.scan("quarantine").select(pl.len()).collect().item()
    missing, twice = len(lab.events - set(events)), len(events) - len(set(events))
    counts = {"events missing": missing, "events twice": twice, "quarantined": quarantined}
    return [f"{count} {name}" for name, count in counts.items() if count]


def _extract_anew(lab: Lab) -> None:
    """Now and then change a setting, so that everything is decoded and encoded again."""
    side = int(lab.rng.integers(96, 224)) * 2
    text = SETTINGS + f"\n[extract.decode]\nframe_side = {side}\n"
    if lab.rng.uniform() < 0.3:
        (lab.root / "kinoloop.toml").write_text(text)


def _lost_features(lab: Lab) -> list[str]:
    media = lab.tables.scan("media").select("video_id").collect()["video_id"]
    features = lab.tables.scan("features").select("video_id", "fingerprint", "modality").collect()
    per_space = features.group_by("fingerprint").len()["len"].to_list()
    newest = [count for count in per_space if count >= CLIPS]
    counts = {
        "media missing": CLIPS - media.n_unique() if media.n_unique() < CLIPS else 0,
        "media twice": len(media) - media.n_unique(),
        "features twice": len(features) - features.select("video_id", "fingerprint").n_unique(),
        "spaces incomplete": int(len(newest) < 2),
    }
    return [f"{count} {name}" for name, count in counts.items() if count]


def _lost_releases(lab: Lab) -> list[str]:
    challenger = lab.registry.by_alias("challenger")
    if challenger is None:
        return ["no challenger"]
    with tempfile.TemporaryDirectory() as folder:
        trust = load_trust(Environment(state_dir=lab.root / "state"))
        lab.registry.download(challenger, Path(folder), trust=trust)
    left = [path.name for path in (lab.root / "state").glob("retrain/*") if path.is_dir()]
    return [f"{len(left)} working folders left"] if left else []


def _challenge(lab: Lab) -> None:
    """Let the champion stand for proof again, as the only one; its records must be there."""
    champion = lab.registry.champion()
    if champion is not None:
        if not _recorded(lab, champion.run_id):
            raise SystemExit(f"version {champion.version} is champion without a record")
        lab.registry.drop_alias("champion")
        lab.registry.set_alias("challenger", champion.version)
    if lab.registry.by_alias("challenger") is None:
        raise SystemExit("neither champion nor challenger: the aliases were lost")


def _recorded(lab: Lab, run_id: str) -> bool:
    from mlflow import MlflowClient

    return bool(MlflowClient(lab.registry.tracking_uri).list_artifacts(run_id, "decisions"))


def _lost_champion(lab: Lab) -> list[str]:
    champion = lab.registry.champion()
    if champion is None:
        return ["no champion"]
    return [] if _recorded(lab, champion.run_id) else ["no record of the champion"]


PHASES: tuple[
    tuple[str, tuple[str, ...], Callable[[Lab], None], Callable[[Lab], list[str]]], ...
] = (
    ("ingest", ("ingest",), _arrived, _lost_events),
    ("extract", ("extract",), _extract_anew, _lost_features),
    ("retrain", ("retrain", "--force"), _nothing, _lost_releases),
    ("promote", ("promote", "--force"), _challenge, _lost_champion),
)


if __name__ == "__main__":
    sys.exit(main())
