"""Bento: the champion's release and the service in one folder that runs anywhere."""

from prefect import flow

from kinoloop.environment import Environment
from tasks.bento import build_bento
from tasks.failures import explain_failure


@flow(name="bento", on_failure=[explain_failure], on_crashed=[explain_failure])
def bento() -> str:
    """Build a Bento of the champion; a release that has one keeps it.

    Returns:
        Folder of the Bento, for `bentoml serve`.

    Raises:
        RegistryError: There is no champion, or MLflow is away.
        BundleError: The bundle is damaged, or BentoML refused.
    """
    return str(build_bento(Environment()))
