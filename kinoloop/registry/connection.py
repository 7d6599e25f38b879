"""One connection to MLflow that fails fast and speaks in `RegistryError`.

MLflow takes three seconds to import, so nothing here imports it before it is needed. Its client
stalls for minutes when a server is gone; one retry and ten seconds are set instead (a variable
that the operator has set wins). A fresh SQLite store is set up under a lock: two processes that
migrate at once would both fail.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from kinoloop.errors import RegistryError
from kinoloop.locks import held
from kinoloop.redaction import without_credentials
from kinoloop.telemetry import switch_off

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

FAIL_FAST = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ASK_S = 5.0
EXPERIMENT = "kinoloop"
LOCK_WAIT_S = 600.0  # making the tables takes seconds, on a busy machine a minute


class Connection:
    """A lazy MLflow client.

    Args:
        tracking_uri: `sqlite:///…` on one machine, `http://…` where a server runs. User name and
            password of a server go to MLflow by its variables, so that no message can show them.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = _hand_over_credentials(tracking_uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file; None where the registry is elsewhere."""
        prefix = "sqlite:///"
        is_file = self.tracking_uri.startswith(prefix)
        return Path(self.tracking_uri.removeprefix(prefix)) if is_file else None

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written: then there is nothing to ask MLflow about."""
        return self.database is not None and not self.database.exists()

    @cached_property
    def client(self) -> "MlflowClient":
        """The `MlflowClient`; the first use imports MLflow and opens the store."""
        switch_off()
        for name, value in FAIL_FAST.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if self.database is None:
            return MlflowClient(self.tracking_uri, self.tracking_uri)
        lock, what = Path(f"{self.database}.lock"), f"process making the tables of {self.database}"
        with held(lock, what, wait_s=LOCK_WAIT_S, error=RegistryError):  # the client makes tables
            client = MlflowClient(self.tracking_uri, self.tracking_uri)
            client.search_registered_models(max_results=1)  # its store is made at first use
        return client

    def ask(self) -> None:
        """Find out within seconds whether a server answers; a file always does.

        Raises:
            RegistryError: It is away, or accepts and does not answer.
        """
        if not self.tracking_uri.startswith(("http://", "https://")):
            return
        with self.speaking("ask whether it is there"):
            from mlflow.utils.credentials import get_default_host_creds
            from mlflow.utils.rest_utils import http_request

            creds = get_default_host_creds(self.tracking_uri)
            http_request(
                creds, "/health", "GET", timeout=ASK_S, max_retries=0, raise_on_status=False
            )

    @property
    def experiment_id(self) -> str:
        """Id of the experiment, made where it is missing.

        With SQLite the artifacts lie beside the database, and not in whatever folder the process
        happened to start in.
        """
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            self._create_experiment()
            experiment = self.client.get_experiment_by_name(EXPERIMENT)
            assert experiment is not None
        return str(experiment.experiment_id)

    @contextmanager
    def speaking(self, doing: str) -> Iterator["MlflowClient"]:
        """Give the client; what goes wrong inside becomes a `RegistryError`.

        Args:
            doing: What is being done, for the message.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        try:
            client = self.client
            yield client
        except Exception as err:
            if not _is_registry_trouble(err):
                raise
            reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            said = (
                f"{doing}: MLflow at {self.tracking_uri} is away or refuses: {reason[:300]}; "
                "start it (`kinoloop up`) or set KINOLOOP_MLFLOW_URI"
            )
            shown = without_credentials(said)
            raise RegistryError(shown) from (err if shown == said else None)

    def _create_experiment(self) -> None:
        from mlflow.exceptions import MlflowException

        beside = self.database.resolve().parent if self.database is not None else None
        location = None if beside is None else (beside / "mlartifacts").as_uri()
        try:
            self.client.create_experiment(EXPERIMENT, artifact_location=location)
        except MlflowException as err:
            if err.error_code != "RESOURCE_ALREADY_EXISTS":  # then another process was quicker
                raise


def _hand_over_credentials(tracking_uri: str) -> str:
    """Move user name and password of a server's address into the variables that MLflow reads."""
    parts = urlsplit(tracking_uri)
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return tracking_uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _is_registry_trouble(err: Exception) -> bool:
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(err, MlflowException | requests.RequestException | SQLAlchemyError)
