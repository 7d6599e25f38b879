"""Prune: remove the vectors of encoders and the copies of releases that were replaced."""

from prefect import flow

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import exclusive
from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.pruning import prune_releases, prune_vectors
from tasks.results import PruneSummary
from tasks.versioning import dataset_version, is_versioned, version_data


@flow(name="prune", on_failure=[explain_failure], on_crashed=[explain_failure])
def prune() -> PruneSummary:
    """Remove vectors that neither the settings, training nor an aliased release uses.

    Copies of releases that no alias points at go, too.

    Raises:
        RegistryError: MLflow is away: what is in use is not known, nothing was removed.
    """
    environment = Environment()
    releases, deleted = prune_releases(environment), prune_vectors(environment)
    with exclusive(Tables(environment.data_dir)):
        known = is_versioned(environment)
        version = dataset_version(environment) if known else version_data(environment)
    return PruneSummary(deleted=deleted, releases=releases, dataset_version=version)
