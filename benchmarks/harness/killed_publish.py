"""What is left when `publish` is killed: a whole catalogue version, the old one or the new one.

After each kill the version that the registry points at is fetched into an empty folder, verified,
opened and asked its golden requests, and the service, which ran all the time, must serve just that.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import KinoloopError
from kinoloop.registry.catalogues import FOLDER, fetch_catalogue
from kinoloop.registry.client import ModelRegistry, ModelVersion
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust

FOLLOWS_S = 120.0
WRITING_S, STORING_S = 0.6, 0.3
ROOM, MADE = "..publishing-*.tmp", ".publishing-*"


@dataclass
class Publications:
    """Watches one project whose `publish` is killed.

    Attributes:
        root: Of the project.
        url: Of its service.
        moments: How often it was killed when, by what lay there.
        became: How often the old version counted afterwards, and how often the new one.
        faults: What was wrong.
    """

    root: Path
    url: str
    moments: Counter[str] = field(default_factory=Counter)
    became: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    uploads: int = 0

    def __post_init__(self) -> None:
        self.registry = ModelRegistry(f"sqlite:///{self.root / 'state' / 'mlflow.db'}")
        self.environment = Environment(state_dir=self.root / "state")
        self._before, self._lay = "", set[Path]()

    @property
    def champion(self) -> ModelVersion:
        """The model that catalogues are made for."""
        found = self.registry.champion()
        assert found is not None
        return found

    def upload(self, ingest: Callable[[], int | None]) -> None:
        """Let a video arrive, unless one still waits; remember how things are."""
        tables = Tables(self.root / "data")
        known = set(tables.scan("videos").select("video_id").collect()["video_id"])
        shown = set(self._opened().catalogue.ids.ids)
        if known <= shown:
            self.uploads += 1
            row = {"video_id": f"upload-{self.uploads}", "title": f"A fox at dawn {self.uploads}"}
            folder = self.root / "landing" / "videos"
            pl.DataFrame([row]).write_parquet(folder / f"upload-{self.uploads}.parquet")
            if ingest() != 0:
                raise SystemExit("ingest failed undisturbed")
        self._before, self._lay = self.champion.catalogue, self._lies()

    def aim(self, rng: np.random.Generator, whole_s: float) -> tuple[float, Callable[[], bool]]:
        """Choose a moment, any or one while a version is written or stored: seconds, after what."""
        releases = self.environment.releases
        lay = self._lay
        return (
            (float(rng.uniform(0.2, 1.0)) * whole_s, lambda: True),
            (float(rng.uniform(0, WRITING_S)), lambda: bool({*releases.glob(ROOM)} - lay)),
            (float(rng.uniform(0, STORING_S)), lambda: bool({*releases.glob(MADE)} - lay)),
        )[int(rng.integers(3))]

    def look(self) -> str:
        """After a kill: say when it came and what counts now, and note what is wrong."""
        moment, now = self._moment(), self.champion
        self.moments[moment] += 1
        became = "old" if now.catalogue == self._before else "new"
        self.became[became] += 1
        wrong = self._wrong(became)
        self.faults += wrong
        return f"publish killed {moment}: {became}, {'; '.join(wrong) or 'whole and served'}"

    def _wrong(self, became: str) -> list[str]:
        try:
            release = self._opened(whole=True)
        except KinoloopError as err:
            return [f"what the registry points at is not whole: {err}"]
        number = release.info.catalogue.number if release.info.catalogue else 0
        newest = f"upload-{self.uploads}"
        wrong = []
        if (newest in release.catalogue.ids.ids) != (became == "new"):
            wrong.append(f"the {became} version should not be as it is about {newest}")
        end = time.monotonic() + FOLLOWS_S
        while (serves := self._serves()) != number and time.monotonic() < end:
            time.sleep(0.2)
        if serves != number:
            wrong.append(f"catalogue {serves} is served, {number} is what counts")
        found = httpx.get(f"{self.url}/videos/{newest}", timeout=60).is_success
        if found != (newest in release.catalogue.ids.ids):
            wrong.append(f"the service {'shows' if found else 'does not show'} {newest}")
        return wrong

    def _serves(self) -> int:
        release = httpx.get(f"{self.url}/about", timeout=60).json()["release"]
        return int(release["catalogue_number"]) if release else -1

    def _opened(self, *, whole: bool = False) -> Release:
        trust = load_trust(self.environment)
        with tempfile.TemporaryDirectory() as scratch:
            folder = fetch_catalogue(self.registry, self.champion, Path(scratch), trust=trust)
            release = Release.open(folder, trust)
            if whole:
                release.ask_golden()
            return release

    def _lies(self) -> set[Path]:
        """Traces of publications on the disk."""
        releases = self.environment.releases
        stored = {one for found in self.root.rglob(FOLDER) for one in found.iterdir()}
        return {*releases.glob(ROOM), *releases.glob(MADE), *stored}

    def _moment(self) -> str:
        """When it was killed, by what lies there that did not before."""
        fresh = self._lies() - self._lay
        if self.champion.catalogue != self._before:
            return "after the pointer had moved"
        if any(path.parent.name == FOLDER for path in fresh):
            return "while it was stored"
        if any(path.match(MADE) and not path.match(ROOM) for path in fresh):
            return "when it was written"
        return "while it was written" if fresh else "before its first file"

    def summary(self) -> str:
        """Kinds of moments, versions that counted afterwards, and what was wrong."""
        kills = sum(self.moments.values())
        moments = ", ".join(f"{n} {moment}" for moment, n in self.moments.most_common())
        return (
            f"publish killed {kills} times ({moments}): {self.became['old']} times the old "
            f"version counts, {self.became['new']} times the new one, {len(self.faults)} wrong"
        )
