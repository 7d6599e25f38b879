"""The operator's view: what serves, how it does, what was decided and why, in one answer."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from kinoloop.environment import Environment
from kinoloop.retrieval.plan import AT
from serving import figures
from serving.exposure import exposure
from serving.facts import ReleaseFacts
from serving.on_record import OnRecord
from serving.overview import Exposure, Overview, Recall, RecallAt, ServingNow
from serving.served import Served, newest_uploads
from serving.startup import HOUSE, packaged_bundle

EXPOSURE_S = 30.0
"""How long an exposure stands before it is counted again."""

NO_RELEASE = "there is no release in service"
NO_INDEX = "retrieval of this release is exact: every video is scored, nothing is left out"

if TYPE_CHECKING:
    from serving.in_service import InService

T = TypeVar("T")


class Operation:
    """Gathers the view; made at the first look.

    Args:
        environment: Where impressions and the registry are.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        bundle = environment.bundle or packaged_bundle(HOUSE)
        self._on_record = OnRecord(environment.tracking_uri if bundle is None else None)
        self._exposure: Kept[Exposure] = Kept(EXPOSURE_S)

    def overview(self, served: Served) -> Overview:
        """Return the view; it may read files, so it is not for the event loop."""
        current, counted, on_record = served.in_service, figures.now(), self._on_record.look()
        return Overview(
            at=datetime.now(UTC),
            serving=_serving_now(served, counted.value("kinoloop_ready_workers")),
            uploads=counted.uploads(*newest_uploads(served)),
            traffic=counted.traffic(),
            drift=on_record.drift,
            decisions=on_record.decisions,
            quality=on_record.quality,
            exposure=self._exposed(current),
            recall=recall_of(current),
        )

    def _exposed(self, current: "InService | None") -> Exposure:
        if current is None:
            return Exposure(places=0, unknown_because=NO_RELEASE)
        landing, catalogue = self._environment.landing, current.release.catalogue
        return self._exposure.of(current.catalogue_version, lambda: exposure(landing, catalogue))


class Kept(Generic[T]):
    """What takes long to make, kept for a while; of several who ask at once one makes it.

    Args:
        for_s: How long it stands.
    """

    def __init__(self, for_s: float) -> None:
        self._for_s, self._lock = for_s, threading.Lock()
        self._kept: tuple[str, float, T] | None = None

    def of(self, key: str, make: Callable[[], T]) -> T:
        """Return what was made under this key a short while ago, or make it."""
        with self._lock:
            if self._kept is None or self._kept[0] != key or time.monotonic() > self._kept[1]:
                made = make()
                self._kept = (key, time.monotonic() + self._for_s, made)
            return self._kept[2]


def _serving_now(served: Served, ready: int) -> ServingNow:
    current = served.in_service
    if current is None:
        return ServingNow(release=None, waiting=served.waiting.what, ready_workers=ready)
    landed = [stamps["landed_at"] for stamps in current.arrivals.values()]
    published = current.release.catalogue.published_at
    published = published[published <= time.time_ns() // 1000]  # a date ahead is of nobody's slate
    return ServingNow(
        release=ReleaseFacts.of(current),
        ready_workers=ready,
        newest_published_at=_moment(int(published.max()) if len(published) else 0),
        newest_landed_at=_moment(max(landed, default=0)),
        overruled=len(current.overruled),
    )


def recall_of(current: "InService | None") -> Recall:
    """Return what was measured of the indexes of a release."""
    plans = {} if current is None else current.release.indexes.plans
    points = [
        RecallAt(index=name, passes=level.share, recall=level.lowest, lists=level.probes)
        for name, plan in plans.items()
        for level in (() if plan is None else plan.levels)
    ]
    if points:
        return Recall(top_k=AT, points=points)
    return Recall(points=[], unknown_because=NO_RELEASE if current is None else NO_INDEX)


def _moment(micros: int) -> datetime | None:
    return datetime.fromtimestamp(micros / 1e6, UTC) if micros > 0 else None
