"""Roll back: the release that served before serves again, without computing anything."""

from typing import TypedDict

from prefect import flow

from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.promotion import restore_previous


class RollbackSummary(TypedDict):
    """Which champion came back.

    Attributes:
        version: In service again.
        replaced: The one that left.
    """

    version: str
    replaced: str


@flow(name="rollback", on_failure=[explain_failure], on_crashed=[explain_failure])
def rollback() -> RollbackSummary:
    """Swap `champion` and `previous`; a second rollback undoes the first.

    Returns:
        `version`, the champion now, and `replaced`, the champion before.

    Raises:
        RegistryError: There is nothing to go back to, or MLflow is away.
        BundleError: The previous release is damaged; the champion stays.
    """
    replaced, restored = restore_previous(Environment())
    return {"version": restored.version, "replaced": replaced.version}
