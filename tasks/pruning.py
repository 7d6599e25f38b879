"""Tasks of pruning: find what is in use, remove the rest."""

import shutil

from prefect import task
from prefect.cache_policies import NO_CACHE

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.registry import copies
from kinoloop.registry.client import ALIASES, ModelRegistry
from kinoloop.registry.model_version import ModelVersion
from kinoloop.settings import read_section

TAG = "fingerprint."
FORMER_CACHE = "bundles"
"""Folder of the state folder in which drift kept copies of its own before version 0.2.0."""


@task(name="prune releases", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def prune_releases(environment: Environment) -> int:
    """Remove local copies of releases that no alias points at and that served last nowhere.

    Returns:
        How many were removed.

    Raises:
        RegistryError: MLflow is away: what is in use is not known, nothing was removed.
    """
    used = {digest for one in _aliased(environment) for digest in (one.digest, one.catalogue)}
    removed = copies.prune(environment.releases, used)
    shutil.rmtree(environment.state_dir / FORMER_CACHE, ignore_errors=True)
    return removed


@task(name="prune vectors", retries=1, retry_delay_seconds=10)
def prune_vectors(environment: Environment) -> dict[str, int]:
    """Remove vectors that neither the settings, training nor an aliased release uses.

    Args:
        environment: Names the data directory and the registry.

    Returns:
        Rows deleted by fingerprint.

    Raises:
        RegistryError: MLflow is away: what is in use is not known, nothing was removed.
    """
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.extraction.prune import prune

    used = {
        value
        for release in _aliased(environment)
        for name, value in release.tags.items()
        if name.startswith(TAG)
    }
    config = read_section("extract", ExtractConfig, environment.settings_file)
    return prune(Tables(environment.data_dir), config, keep=used)


def _aliased(environment: Environment) -> list[ModelVersion]:
    registry = ModelRegistry(environment.tracking_uri)
    return [found for alias in ALIASES if (found := registry.by_alias(alias)) is not None]
