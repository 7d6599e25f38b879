"""Roll back: the release that served before serves again, without computing anything."""

from prefect import flow

from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.promotion import restore_previous
from tasks.results import RollbackSummary


@flow(name="rollback", on_failure=[explain_failure], on_crashed=[explain_failure])
def rollback() -> RollbackSummary:
    """Swap `champion` and `previous`; a second rollback undoes the first.

    Raises:
        RegistryError: There is nothing to go back to, or MLflow is away.
        BundleError: The previous release is damaged; the champion stays.
    """
    replaced, restored = restore_previous(Environment())
    return RollbackSummary(version=restored.version, replaced=replaced.version)
