"""Task of the prune flow: find what is in use, remove the rest."""

from prefect import task

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.registry.client import ALIASES, ModelRegistry
from kinoloop.settings import read_section

TAG = "fingerprint."


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

    registry = ModelRegistry(environment.tracking_uri)
    releases = [registry.by_alias(alias) for alias in ALIASES]
    used = {
        value
        for release in releases
        if release is not None
        for name, value in release.tags.items()
        if name.startswith(TAG)
    }
    config = read_section("extract", ExtractConfig, environment.settings_file)
    return prune(Tables(environment.data_dir), config, keep=used)
