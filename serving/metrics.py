"""What the service counts, for Prometheus; right with any number of workers.

BentoML labels its own request metrics with the raw path, so that every `/thumbnails/…` and every
probe of a scanner becomes fifteen new time series in every worker that never go away. They are
switched off and counted here by route instead. No label carries anything that a client chooses.

BentoML starts each worker with `PROMETHEUS_MULTIPROC_DIR` set, so that every process writes its
counts to files there and any of them can answer for all.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.samples import Sample

if TYPE_CHECKING:
    from kinoloop.retrieval.plan import Plan

CONTENT_TYPE = CONTENT_TYPE_LATEST
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)

REQUESTS = Counter("kinoloop_requests", "Requests answered.", ["route", "status"])
SECONDS = Histogram("kinoloop_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS)
REFUSED = Counter(
    "kinoloop_refused",
    "Requests and connections cut off before a handler saw them, by reason.",
    ["reason"],
)
FEEDBACK = Counter("kinoloop_feedback_events", "Feedback events by outcome.", ["outcome"])
BATCHED = Counter(
    "kinoloop_batch_users", "Users of batches by outcome: answered or failed.", ["outcome"]
)
TEXTS = Counter(
    "kinoloop_texts",
    "Texts of users by outcome: read; not read: queue_full, fault; a write that failed: disk.",
    ["outcome"],
)
EXPORTED = Counter("kinoloop_feedback_exported", "Feedback events moved to the landing zone.")
PENDING = Gauge(
    "kinoloop_outbox_pending",
    "Feedback events that wait for export.",
    multiprocess_mode="mostrecent",
)
IMPRESSIONS = Counter(
    "kinoloop_impressions",
    "Places shown by outcome: recorded, exported; not recorded: queue_full, spool_full, disk.",
    ["outcome"],
)
STATE_AWAY = Gauge(
    "kinoloop_state_away",
    "Workers that do not reach the live state.",
    multiprocess_mode="livesum",
)
SWAPS = Counter("kinoloop_release_swaps", "Releases by outcome: taken or refused.", ["outcome"])
RERANKED = Counter(
    "kinoloop_reranked_slates",
    "Slates by outcome: taken, or skipped for lack of time.",
    ["outcome"],
)
RELEASE = Gauge(
    "kinoloop_release_info",
    "1 for the release in service.",
    ["model_version", "dataset_version"],
    multiprocess_mode="livemax",
)
UPLOAD_SECONDS = Histogram(
    "kinoloop_upload_seconds",
    "From the landing of a new video until each station: ingest, extract, publish, first_slate.",
    ["until"],
    buckets=(5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600, 14400, 86400),
)
CATALOGUE = Gauge(
    "kinoloop_catalogue_version",
    "Number of the catalogue version in service; 0 is the one that the model was trained on.",
    multiprocess_mode="livemax",
)
RECALL = Gauge(
    "kinoloop_retrieval_recall",
    "Share of the best 100 that an index finds, by the share of videos that a filter leaves.",
    ["index", "share"],
    multiprocess_mode="livemin",
)
LISTS = Gauge(
    "kinoloop_retrieval_lists",
    "Lists that a search of an index reads; 0: what is left is scored in full.",
    ["index", "share"],
    multiprocess_mode="livemax",
)
READY = Gauge("kinoloop_ready_workers", "Workers with a release.", multiprocess_mode="livesum")


_TOLD: set[tuple[str, str]] = set()


def tell_indexes(plans: "Mapping[str, Plan | None]") -> None:
    """Tell how well the indexes of the release in service find.

    One that an earlier release had is told as what there is without: all are found, in no list.

    Args:
        plans: By the name of the index; None where it has nothing to miss.
    """
    for known in _TOLD:
        RECALL.labels(*known).set(1)
        LISTS.labels(*known).set(0)
    for name, plan in plans.items():
        for level in () if plan is None else plan.levels:
            labels = (name, f"{level.share:g}")
            _TOLD.add(labels)
            RECALL.labels(*labels).set(level.lowest)
            LISTS.labels(*labels).set(level.probes)


def exposition() -> bytes:
    """All metrics of all workers, in the text format."""
    return generate_latest(_of_all_workers())


def samples() -> Iterator[Sample]:
    """All values of all workers; a histogram has one per bucket, as in the text format."""
    for family in _of_all_workers().collect():
        yield from family.samples


def _of_all_workers() -> CollectorRegistry:
    if _FOLDER not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def forget_dead_workers() -> None:
    """Take the gauges of workers that died out of the sums."""
    if _FOLDER not in os.environ:
        return
    for path in Path(os.environ[_FOLDER]).glob("gauge_live*_*.db"):
        match = re.search(r"_(\d+)\.db$", path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            mark_process_dead(int(match[1]))  # type: ignore[no-untyped-call]
