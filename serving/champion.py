"""The release in service: every worker follows the registry's `champion` without a restart.

A background thread asks the registry, with jitter so that workers do not ask together. Another
version is fetched into the local cache (by content, so once for all workers), opened beside the
one in service, checked against its digests and golden requests, warmed up, and only then one
reference is swapped. A release that fails is refused and the old one stays; a registry that is
away changes nothing, and a worker that starts meanwhile takes what was in service last.

So that no request feels it: the thread runs at low priority, the interpreter changes threads every
half millisecond (serving/startup.py), and the old release is let go a moment after the last
request that may hold it.
"""

import gc
import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop import durable
from kinoloop.errors import BundleError, KinoloopError, RegistryError
from kinoloop.registry.client import ModelRegistry, ModelVersion
from kinoloop.release.release import Release
from serving import metrics

logger = logging.getLogger(__name__)

LOADING_NICENESS = 10
JITTER = 0.3
RELEASE_AFTER_S = 2.0


@dataclass(frozen=True)
class InService:
    """A release that passed its check.

    Attributes:
        release: Opened, checked and warm.
        model_version: Number in the registry, or the digest of a bundle that has none.
        run_id: Run that trained it, where known.
        durations: (n_videos,) seconds, NaN where unknown.
    """

    release: Release
    model_version: str
    run_id: str | None
    durations: NDArray[np.float64] = field(repr=False)

    @property
    def dataset_version(self) -> str:
        """Dataset that it was trained on."""
        return self.release.info.dataset_version

    @property
    def versions(self) -> dict[str, str | None]:
        """What lineage remembers."""
        return {
            "model_version": self.model_version,
            "dataset_version": self.dataset_version,
            "run_id": self.run_id,
        }


def load(bundle: Path, *, model_version: str | None, run_id: str | None) -> InService:
    """Open, check and warm up a bundle.

    Raises:
        BundleError: It must not serve.
    """
    release = Release.open(bundle)
    release.check()
    release.warm_up()
    if release.reranking is not None:
        release.reranking.tell = lambda outcome: metrics.RERANKED.labels(outcome).inc()
    columns = release.catalogue.videos.columns
    durations = (
        release.catalogue.videos["duration_s"].cast(float).fill_null(float("nan")).to_numpy()
        if "duration_s" in columns
        else np.full(len(release.catalogue), np.nan)
    )
    version = model_version or f"bundle-{release.info.digest[:12]}"
    return InService(release, version, run_id, durations)


class Follower:
    """Keeps `current` at the champion.

    Args:
        registry: Makes the registry when it is first asked.
        cache_dir: Where bundles are kept.
        poll_s: Seconds between two questions, on average.
        swapped: Is told of each release taken, and None for each refused.
    """

    def __init__(
        self,
        registry: Callable[[], ModelRegistry],
        cache_dir: Path,
        *,
        poll_s: float,
        swapped: Callable[[InService | None], None],
    ) -> None:
        self.current: InService | None = None
        self._make_registry = registry
        self._registry: ModelRegistry | None = None
        self._cache_dir, self._poll_s, self._swapped = cache_dir, poll_s, swapped
        self._remembered = cache_dir / "in-service.json"
        self._refused: str | None = None
        self._away = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)

    def start(self) -> None:
        """Take the champion up, or what was in service last, then follow."""
        self.follow()
        if self.current is None and self._away:
            self._recall()
        gc.collect()
        gc.freeze()
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def follow(self) -> None:
        """Ask once and swap if there is another champion."""
        champion: ModelVersion | None = None
        try:
            registry = self._registry = self._registry or self._make_registry()
            champion = registry.champion()
            self._note_away(None)
            if champion is None or champion.version in (self._refused, self._version):
                return
            bundle = registry.download(champion, self._cache_dir)
        except (RegistryError, OSError) as err:
            self._note_away(err)
        except KinoloopError as err:
            self._refuse(champion.version if champion else "", err)
        else:
            if self._take(bundle, champion.version, champion.run_id):
                self._remember(bundle, champion)

    @property
    def _version(self) -> str | None:
        return self.current.model_version if self.current else None

    def _run(self) -> None:
        with suppress(OSError):  # on Linux, a thread has a niceness of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOADING_NICENESS)
        jitter = random.Random()  # noqa: S311 (spreads load)
        while not self._stop.wait(self._poll_s * jitter.uniform(1 - JITTER, 1 + JITTER)):
            try:
                self.follow()
            except Exception:
                logger.exception("following the champion failed; the release in service stays")

    def _take(self, bundle: Path, version: str | None, run_id: str | None) -> bool:
        started = time.perf_counter()
        try:
            fresh = load(bundle, model_version=version, run_id=run_id)
        except (BundleError, KinoloopError, OSError, ValueError) as err:
            self._refuse(version or str(bundle), err)
            return False
        previous, self.current = self.current, fresh
        self._refused = None
        gc.freeze()
        logger.info(
            "model version %s is in service after %s, loaded in %.1f s",
            fresh.model_version,
            previous.model_version if previous else "none",
            time.perf_counter() - started,
        )
        self._swapped(fresh)
        if previous is not None:
            self._stop.wait(RELEASE_AFTER_S)  # requests under way may hold it
        return True

    def _refuse(self, version: str, err: Exception) -> None:
        self._refused = version
        logger.error("model version %s is refused, %s stays: %s", version, self._version, err)
        self._swapped(None)

    def _note_away(self, err: Exception | None) -> None:
        """Say once that the registry went away, and once that it is back."""
        if err is not None and not self._away:
            logger.warning("the registry is away, %s stays in service: %s", self._version, err)
        if err is None and self._away:
            logger.warning("the registry is back")
        self._away = err is not None

    def _remember(self, bundle: Path, champion: ModelVersion) -> None:
        """Note what is in service, for a start without the registry."""
        document = {
            "bundle": bundle.name,
            "model_version": champion.version,
            "run_id": champion.run_id,
        }
        durable.write_json(self._remembered, document)

    def _recall(self) -> None:
        try:
            document = json.loads(self._remembered.read_text(encoding="utf-8"))
            bundle = self._cache_dir / document["bundle"]
            version, run_id = document["model_version"], document["run_id"]
        except (OSError, ValueError, KeyError):
            logger.warning("nothing was in service before; waiting for the registry")
            return
        self._take(bundle, version, run_id)


class Fixed:
    """One bundle, for ever: inside a built Bento.

    Args:
        bundle: Its directory.

    Raises:
        BundleError: It must not serve.
    """

    def __init__(self, bundle: Path) -> None:
        self.current: InService | None = load(bundle, model_version=None, run_id=None)
        gc.collect()
        gc.freeze()

    def start(self) -> None:
        """Nothing to follow."""

    def close(self) -> None:
        """Nothing to stop."""
