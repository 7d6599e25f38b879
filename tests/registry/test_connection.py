import os
import traceback

import pytest
from mlflow.exceptions import MlflowException

from kinoloop.errors import RegistryError
from kinoloop.registry.connection import Connection

SECRET = "canary-s3cret"


def test_a_servers_password_goes_to_mlflow_by_its_variables_and_into_no_address(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody else")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    connection = Connection(f"http://me%40here:{SECRET}@127.0.0.1:9/sub")
    assert connection.tracking_uri == "http://127.0.0.1:9/sub"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me@here"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == SECRET


@pytest.mark.parametrize("said", ["cannot reach {}", "API request to {}/api failed\nsecond line"])
@pytest.mark.parametrize("scheme", ["http", "postgresql", "mysql+pymysql"])
def test_an_error_shows_no_password_not_even_in_its_traceback(said, scheme, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    uri = f"{scheme}://me:{SECRET}@db.example/mlflow"
    connection = Connection(uri)
    connection.client = object()  # the block below fails before it would ask a real one
    with (
        pytest.raises(RegistryError, match=r"db\.example/mlflow is away") as caught,
        connection.speaking("looking"),
    ):
        raise MlflowException(said.format(uri))
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "start it (`kinoloop up`)" in shown
