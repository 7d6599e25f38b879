"""A small project of its own, whose verbs are run and killed: landing zone, settings, state."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from benchmarks.harness.killed_publish import Publications
from benchmarks.harness.verbs import REPOSITORY
from kinoloop.data.tables import Tables
from kinoloop.registry.client import ModelRegistry
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue, toy_histories

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

[serving]
poll_s = 0.5
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
            "PYTHONPATH": str(REPOSITORY),
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

    def run(
        self, *verb: str, after_s: float | None = None, begun: Callable[[], bool] = lambda: True
    ) -> int | None:
        """Run a verb; its status, None where it was killed, some seconds after it had `begun`."""
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
                while process.poll() is None and not begun():
                    time.sleep(0.005)
                return process.wait(after_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self.reap()
                return None

    @contextmanager
    def served(self) -> Iterator[None]:
        """Run the service, which follows what is published."""
        folders = {name: value for name, value in self.variables().items() if "KINOLOOP" in name}
        state = Path(folders.pop("KINOLOOP_STATE_DIR"))
        with running(state, **folders) as url:
            self.publications = Publications(self.root, url)
            yield

    def reap(self) -> int:
        """End what a killed run left running; how many."""
        ended = 0
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                ours = environment.get("KINOLOOP_STATE_DIR") == str(self.root / "state")
                if ours and "KINOLOOP_TRUSTED_KEYS" not in environment:  # not the service
                    process.kill()
                    ended += 1
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return ended
