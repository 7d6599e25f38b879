"""Understand what is new: decode, encode, label, find duplicates, screen for harm, version."""

from collections import deque
from typing import Any

from prefect import flow

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import exclusive
from kinoloop.environment import Environment
from kinoloop.extraction.report import ExtractReport
from kinoloop.extraction.shard import Made
from tasks.alerts import send_alerts
from tasks.announce import announce_completion
from tasks.content import find_duplicates, label_videos, screen_videos
from tasks.due import extraction_input, note_extraction
from tasks.extraction import extract_features, runs_on_ray, show_extraction
from tasks.failures import explain_failure
from tasks.results import ExtractSummary
from tasks.sharding import a_shard_takes, make_shard, plan_extraction, ray_runner
from tasks.versioning import dataset_version, is_versioned, version_data


@flow(
    name="extract",
    description="Decode, encode and label new videos, find those that show the same, and harm.",
    on_completion=[announce_completion],
    on_failure=[explain_failure],
    on_crashed=[explain_failure],
)
def extract(*, retry: bool = False) -> ExtractSummary:
    """Bring media, features, labels, duplicates and safety up to date with the catalogue.

    Args:
        retry: Decode again what timed out, ran out of memory or crashed its decoder.
    """
    environment = Environment()
    seen = extraction_input(environment)
    on_ray = runs_on_ray(environment)
    report = (extract_on_ray if on_ray else extract_features)(environment, retry=retry)
    labels, duplicates = label_videos(environment), find_duplicates(environment)
    safety = screen_videos(environment)
    done_now = report.done + labels.done + duplicates.compared + safety.scored
    changed = done_now + sum(safety.changed.values()) > 0
    with exclusive(Tables(environment.data_dir)):
        known = not changed and is_versioned(environment)
        version = dataset_version(environment) if known else version_data(environment)
    if not report.left_out:
        note_extraction(environment, seen)
    send_alerts(environment)
    done = ExtractSummary(
        extraction=report,
        labels=labels,
        duplicates=duplicates,
        safety=safety,
        dataset_version=version,
    )
    show_extraction(done)
    return done


def extract_on_ray(environment: Environment, *, retry: bool) -> ExtractReport:
    """Make the shards on a Ray cluster and commit them here, in order, as they come in.

    Shards are submitted to the runner itself: what a flow of their own would close over, the plan
    with its locks and models, would be sent to every worker.
    """
    with plan_extraction(environment, retry=retry) as plan:
        if not plan.shards:
            return plan.report
        prints = [product.fingerprint for product in plan.products]
        waiting, made = deque(plan.shards), deque[Any]()
        with ray_runner(environment) as runner, a_shard_takes(plan.config):
            while waiting or made:
                while waiting and len(made) < plan.config.ray.shards_ahead:
                    shard = waiting.popleft()
                    asked = {"shard": shard, "config": plan.config, "fingerprints": prints}
                    made.append((shard, runner.submit(make_shard, asked)))
                shard, future = made.popleft()
                plan.commit(Made.from_bytes(shard, future.result()))
    return plan.report
