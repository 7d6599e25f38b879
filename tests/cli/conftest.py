"""Servers as `kinoloop up` starts them, on free ports with a state folder of their own."""

import os
import socket

import pytest

from kinoloop.cli import stack
from kinoloop.cli.access import load_token
from kinoloop.cli.servers import Servers
from kinoloop.environment import Environment


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def guarded(tmp_path_factory):
    """The environment of a Prefect and an MLflow server that run."""
    patch = pytest.MonkeyPatch()
    patch.setenv("KINOLOOP_STATE_DIR", str(tmp_path_factory.mktemp("guarded")))
    patch.setenv("KINOLOOP_PREFECT_PORT", str(_free_port()))
    patch.setenv("KINOLOOP_MLFLOW_PORT", str(_free_port()))
    patch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        patch.delenv(name)
    environment = Environment()
    with Servers(environment.state_dir / "logs") as servers:
        for server in (stack.prefect_server(environment), stack.mlflow_server(environment)):
            servers.start(server)
        patch.undo()
        for name in ("prefect", "mlflow"):
            servers.wait(name)
        yield environment


@pytest.fixture
def prefect_client(guarded):
    """A client with the token, as flows and worker have it."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    wanted = {
        PREFECT_API_URL: f"http://127.0.0.1:{guarded.prefect_port}/api",
        PREFECT_API_AUTH_STRING: load_token(guarded),
    }
    with temporary_settings(wanted), get_client(sync_client=True) as client:
        yield client
