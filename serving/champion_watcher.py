"""The release in service: every worker follows the registry's `champion` without a restart.

A release is the champion with the newest catalogue version that was published for it. A background
thread asks the registry, with jitter so that workers do not ask together. Another one is fetched
into the local cache (by content, so once for all workers), opened beside the one in service,
checked against its signature, digests and golden requests, warmed up, and only then one reference
is swapped. A release that fails is refused and the old one stays; a registry that is away changes
nothing. A worker that starts and cannot take the champion within a few seconds, for whatever
reason, takes what was in service last and goes on trying.

So that no request feels it: once there is a release to answer with, the thread runs at low
priority, the interpreter changes threads every half millisecond (serving/startup.py), and the old
release is let go a moment after the last request that may hold it.
"""

import gc
import logging
import random
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from kinoloop.errors import RegistryError
from kinoloop.registry.catalogues import fetch_catalogue
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.copies import ServedRelease, remember, remembered
from kinoloop.registry.model_version import ModelVersion
from kinoloop.release.signature import Trust
from serving.background import in_background, yield_to_requests
from serving.in_service import InService, load
from serving.problems import Waiting

logger = logging.getLogger(__name__)

JITTER = 0.3
RELEASE_AFTER_S = 2.0
REFUSED_AGAIN_S = 600.0
"""When a release that was refused is looked at again: its files may have been repaired."""


Key = tuple[str, str]
"""Of a release: the number of the model's version, and the digest of the catalogue or ""."""


def _key(version: ModelVersion) -> Key:
    return version.version, version.catalogue


class ChampionWatcher:
    """Keeps `current` at the champion.

    Args:
        registry: Makes the registry when it is first asked.
        cache_dir: Where bundles are kept.
        trust: Says whose bundles are taken; asked for each, because the first retrain of an
            installation makes its key after the service has started.
        poll_s: Seconds between two questions, on average.
        patience_s: How long a start waits for the champion, and a question for its files, seconds.
        swapped: Is told of each release, just before it serves, and None for each refused.

    Attributes:
        current: The release in service.
        waiting: Why there is none, while there is none.
    """

    def __init__(
        self,
        registry: Callable[[], ModelRegistry],
        cache_dir: Path,
        *,
        trust: Callable[[], Trust],
        poll_s: float,
        patience_s: float,
        swapped: Callable[[InService | None], None],
    ) -> None:
        self.current: InService | None = None
        self.waiting = Waiting("starting")
        self._make_registry = registry
        self._registry: ModelRegistry | None = None
        self._cache_dir, self._trust, self._swapped = cache_dir, trust, swapped
        self._poll_s, self._patience_s = poll_s, patience_s
        self._refused: dict[Key, float] = {}
        self._arriving: tuple[Key, Future[Path]] | None = None
        self._trouble = ""
        self._taking = threading.Lock()
        self._asked, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)

    def start(self) -> None:
        """Take the champion up, or soon what was in service last, and follow.

        A release whose files have arrived is waited for however long loading takes: a worker that
        opens without one refuses what its neighbours would answer.
        """
        self._thread.start()
        self._asked.wait(self._patience_s)
        with self._taking:
            nothing_taken = self.current is None
        if nothing_taken:
            self._recall()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def poll(self) -> None:
        """Ask once and swap if there is another champion."""
        try:
            registry = self._registry = self._registry or self._make_registry()
            champion = registry.champion()
        except (RegistryError, OSError) as err:
            self._wait_for(Waiting("registry_away", detail=str(err)))
            return
        if champion is None:
            self._wait_for(Waiting("no_release"))
            return
        for wanted in self._choices(champion):
            if _key(wanted) == self._key:
                self._wait_for(None)
                return
            again = self._refused.get(_key(wanted))
            if again is None or time.monotonic() > again:
                self._switch_to(registry, wanted)
                return

    def _choices(self, champion: ModelVersion) -> list[ModelVersion]:
        """List the champion with its catalogue, and a model that does not serve yet without."""
        if not champion.catalogue or self._version == champion.version:
            return [champion]
        return [champion, champion.with_own_catalogue()]

    @property
    def _key(self) -> "Key | None":
        return (self.current.model_version, self.current.catalogue) if self.current else None

    @property
    def _version(self) -> str | None:
        return self.current.model_version if self.current else None

    def _run(self) -> None:
        jitter = random.Random()  # noqa: S311 (spreads load)
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:
                logger.exception("following the champion failed; the release in service stays")
            self._asked.set()
            if self.current is not None:  # before, there are no requests to yield to
                yield_to_requests()
            self._stop.wait(self._poll_s * jitter.uniform(1 - JITTER, 1 + JITTER))

    def _switch_to(self, registry: ModelRegistry, champion: ModelVersion) -> None:
        """Fetch and take a champion; one whose files take long goes on arriving meanwhile."""
        version, key = champion.version, _key(champion)
        if self._arriving is None or self._arriving[0] != key:
            fetch = in_background(
                lambda: fetch_catalogue(registry, champion, self._cache_dir, trust=self._trust()),
                yielding=self.current is not None,
            )
            self._arriving = (key, fetch)
        try:
            bundle = self._arriving[1].result(self._patience_s)
        except TimeoutError:
            self._wait_for(Waiting("release_arriving", version))
            return
        except (RegistryError, OSError) as err:
            self._arriving = None
            self._wait_for(Waiting("release_out_of_reach", version, str(err)))
            return
        except Exception as err:  # noqa: BLE001 (what cannot be fetched whole must not serve)
            self._arriving = None
            self._refuse(key, err)
            return
        self._arriving = None
        if self._take(bundle, key, champion.run_id):
            served = ServedRelease(champion.catalogue or champion.digest, version, champion.run_id)
            remember(self._cache_dir, served)
            self._wait_for(None)

    def _take(self, bundle: Path, key: Key, run_id: str, *, unless_served: bool = False) -> bool:
        started = time.perf_counter()
        with self._taking:
            if unless_served and self.current is not None:
                return True
            try:
                fresh = load(bundle, self._trust(), model_version=key[0], run_id=run_id)
            except Exception as err:  # noqa: BLE001 (what cannot be loaded must not serve)
                self._refuse(key, err)
                return False
            self._swapped(fresh)
            previous, self.current = self.current, fresh
        self._refused = {one: at for one, at in self._refused.items() if one[0] == key[0]}
        logger.info(
            "model version %s with catalogue version %d is in service after %s, loaded in %.1f s",
            fresh.model_version,
            fresh.catalogue_number,
            previous.model_version if previous else "none",
            time.perf_counter() - started,
        )
        if previous is None:
            settle_memory()
            return True
        self._stop.wait(RELEASE_AFTER_S)  # requests under way may hold it
        self._forget(previous)
        del previous
        gc.collect()  # of what came after `settle_memory`: a release and little else
        return True

    def _forget(self, replaced: InService) -> None:
        """Remove the copy of a catalogue version that neither serves nor is recalled: many come."""
        digest = replaced.catalogue
        if digest and digest not in {one.digest for one in remembered(self._cache_dir)}:
            shutil.rmtree(self._cache_dir / digest, ignore_errors=True)

    def _refuse(self, key: Key, err: Exception) -> None:
        self._refused[key] = time.monotonic() + REFUSED_AGAIN_S
        self._wait_for(Waiting("release_refused", key[0], str(err)), level=logging.ERROR)
        self._swapped(None)

    def _wait_for(self, waiting: Waiting | None, *, level: int = logging.WARNING) -> None:
        """Note what keeps the champion from service; say it once, and once that it is over."""
        if waiting is not None:
            self.waiting = waiting
        trouble = "" if waiting is None else waiting.what
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if waiting is None:
            logger.warning("the registry and its champion can be reached again")
            return
        stays = f"version {self._version} stays in service" if self._version else "nothing serves"
        logger.log(level, "%s; %s; next: %s", waiting.said, stays, waiting.next_step)

    def _recall(self) -> None:
        """Take what was in service last; where that is damaged, what was before it."""
        served = remembered(self._cache_dir)
        for one in served:
            bundle, key = self._cache_dir / one.digest, (one.model_version, one.digest)
            if self._take(bundle, key, one.run_id, unless_served=True):
                logger.warning(
                    "version %s, in service here before, is in service again until the champion "
                    "can be taken",
                    self._version,
                )
                return
        if not served:
            logger.warning("nothing was in service here before; waiting: %s", self.waiting.what)


class Fixed:
    """One bundle, forever: inside a built Bento.

    Args:
        bundle: Its directory.
        trust: Who may have signed it.

    Raises:
        BundleError: It must not serve.
    """

    waiting = Waiting("starting")

    def __init__(self, bundle: Path, trust: Trust) -> None:
        self.current: InService | None = load(bundle, trust)
        settle_memory()

    def start(self) -> None:
        """Nothing to follow."""

    def close(self) -> None:
        """Nothing to stop."""


def settle_memory() -> None:
    """Take what is there for good out of the collector's rounds; called once per process.

    Everything that is imported and loaded by then is a million objects, and a round over them
    keeps requests waiting for a third of a second. Called after each swap it would keep every
    release that has a cycle in it forever.
    """
    gc.collect()
    gc.freeze()
