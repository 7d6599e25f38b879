"""Ingest: whatever is new in the landing zone becomes validated, versioned tables."""

import logging

from prefect import flow

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import exclusive
from kinoloop.environment import Environment
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.redaction import without_credentials
from kinoloop.settings import read_section
from tasks.announce import announce_videos
from tasks.failures import explain_failure
from tasks.ingestion import (
    collect_landing,
    commit_batch,
    nothing_new,
    report_batch,
    report_set_aside,
    validate_batch,
)
from tasks.results import IngestSummary
from tasks.versioning import dataset_version, is_versioned, version_data

logger = logging.getLogger(__name__)


@flow(
    name="ingest",
    on_completion=[announce_videos],
    on_failure=[explain_failure],
    on_crashed=[explain_failure],
)
def ingest(*, any_volume: bool = False) -> IngestSummary:
    """Validate, pseudonymise, commit and version what has arrived since the last run.

    Args:
        any_volume: Accept a batch that brings far fewer rows than those before it.

    Raises:
        BatchError: Every new file was set aside; nothing was changed.
    """
    environment = Environment()
    config = read_section("ingest", IngestConfig, environment.settings_file)
    with exclusive(Tables(environment.data_dir)):
        arrivals, standing = collect_landing(environment, config)
        if not arrivals.new:
            logger.info("nothing new in %s", without_credentials(environment.landing))
            return nothing_new(arrivals, _version(environment), standing)
        staged = validate_batch(
            environment, arrivals, config, any_volume=any_volume, standing=standing
        )
        if staged.files:
            commit_batch(environment, staged, config)
            version = version_data(environment)
        news = report_set_aside(environment, staged, config, standing=standing)
        if not staged.files:
            return nothing_new(arrivals, _version(environment), [*standing, *staged.set_aside])
    return report_batch(environment, arrivals, staged, version, news=news, standing=standing)


def _version(environment: Environment) -> str:
    """Return the dataset version, or make the one that a kill has left unmade."""
    known = is_versioned(environment)
    return dataset_version(environment) if known else version_data(environment)
