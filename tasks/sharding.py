"""Shards of an extraction on Ray: the same shards, the same tables, on more than one machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.plan import ExtractionPlan, planned
from kinoloop.extraction.shard import Shard
from kinoloop.extras import explained
from kinoloop.settings import read_section

if TYPE_CHECKING:
    from prefect_ray import RayTaskRunner


@task(name="make shard", retries=1, cache_policy=NO_CACHE)
def make_shard(shard: Shard, config: ExtractConfig, fingerprints: list[str]) -> dict[str, bytes]:
    """Decode and encode one shard on a worker; nothing is written there.

    Args:
        shard: What to make.
        config: Settings of the plan.
        fingerprints: What the vectors must be of.

    Returns:
        Arrow streams by table.
    """
    from kinoloop.extraction.remote import make_remotely

    return make_remotely(shard, config, fingerprints)


def plan_extraction(
    environment: Environment, *, retry: bool = False
) -> AbstractContextManager[ExtractionPlan]:
    """Find what is missing; the plan holds the lock of the extraction."""
    config = read_section("extract", ExtractConfig, environment.settings_file)
    return planned(
        Tables(environment.data_dir),
        config,
        roots=roots_of(environment, config),
        state_dir=environment.state_dir,
        retry=retry,
    )


def roots_of(environment: Environment, config: ExtractConfig) -> Roots:
    """Say where references of the catalogue may lead."""
    return Roots.of(
        environment.landing,
        environment.data_dir,
        access=config.access,
        state_dir=environment.state_dir,
    )


def ray_runner(environment: Environment) -> "RayTaskRunner[Any]":
    """Prefect's task runner on the Ray cluster of `KINOLOOP_RAY_ADDRESS`, or on a Ray of its own.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    with explained('[extract] runner = "ray"', instead='set runner = "local"'):
        from prefect_ray import RayTaskRunner
    settings: dict[str, Any] = {"log_to_driver": False}
    if environment.ray_address is None:
        settings |= {"include_dashboard": False}
    return RayTaskRunner(address=environment.ray_address, init_kwargs=settings)


@contextmanager
def a_shard_takes(config: ExtractConfig) -> Iterator[None]:
    """Have Ray reserve these resources for each shard, and redo once one whose worker dies."""
    from prefect_ray.context import remote_options

    ray = config.ray
    with remote_options(num_cpus=ray.cpus, num_gpus=ray.gpus, max_retries=1):
        yield
