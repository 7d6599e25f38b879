"""Understand what is new: decode, encode, version."""

from typing import Any

from prefect import flow

from kinoloop.data.commit import exclusive
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from tasks.extraction import extract_features, show_extraction
from tasks.failures import explain_failure
from tasks.versioning import dataset_version, version_data


@flow(
    name="extract",
    description="Decode new videos and encode what the features table misses.",
    on_failure=[explain_failure],
    on_crashed=[explain_failure],
)
def extract(*, retry: bool = False) -> dict[str, Any]:
    """Bring media and features up to date with the catalogue.

    Args:
        retry: Decode again what timed out, ran out of memory or crashed its decoder.

    Returns:
        Counts, rate and fingerprints, and `dataset_version`.
    """
    environment = Environment()
    report = extract_features(environment, retry=retry)
    changed = report["done"] > 0
    with exclusive(Tables(environment.data_dir)):
        version = version_data(environment) if changed else dataset_version(environment)
    show_extraction(report, version)
    return {**report, "dataset_version": version}
