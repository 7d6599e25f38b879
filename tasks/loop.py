"""What the loop decides between its flows."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry


@task(name="decide to retrain", retries=2, retry_delay_seconds=10, cache_policy=NO_CACHE)
def reason_to_retrain(environment: Environment, *, drift_fired: bool) -> str:
    """Why a retrain run is due; "" where none is.

    A champion that was trained days ago is no reason: the weekly schedule sees to that.

    Raises:
        RegistryError: MLflow is away.
    """
    if drift_fired:
        return "drift was found"
    if ModelRegistry(environment.tracking_uri).champion() is None:
        return "there is no champion yet"
    return ""
