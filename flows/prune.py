"""Prune: remove the vectors of encoders that were replaced."""

from typing import Any

from prefect import flow

from kinoloop.data.commit import exclusive
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.pruning import prune_vectors
from tasks.versioning import dataset_version, is_versioned, version_data


@flow(name="prune", on_failure=[explain_failure], on_crashed=[explain_failure])
def prune() -> dict[str, Any]:
    """Remove vectors that neither the settings, training nor an aliased release uses.

    Returns:
        `deleted`, rows by fingerprint, and `dataset_version`.

    Raises:
        RegistryError: MLflow is away: what is in use is not known, nothing was removed.
    """
    environment = Environment()
    deleted = prune_vectors(environment)
    with exclusive(Tables(environment.data_dir)):
        known = is_versioned(environment)
        version = dataset_version(environment) if known else version_data(environment)
    return {"deleted": deleted, "dataset_version": version}
