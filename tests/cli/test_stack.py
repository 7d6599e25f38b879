import pytest

from kinoloop.cli import own_service, stack
from kinoloop.environment import Environment


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_MLFLOW_PORT", "18111")
    return Environment()


def test_ports_and_folders_come_from_the_environment(environment, tmp_path):
    server = stack.mlflow_server(environment)
    assert server.port == 18111
    store = f"sqlite:///{tmp_path / 'state' / 'mlflow.db'}"
    assert server.variables["MLFLOW_BACKEND_STORE_URI"] == store
    assert store not in server.command  # `ps` shows arguments to everybody
    assert "http://127.0.0.1:18111" in stack.addresses(environment)


def test_every_server_binds_to_loopback_and_names_the_setting_of_its_port(environment):
    for make in (stack.prefect_server, stack.mlflow_server, own_service.service):
        server = make(environment)
        assert server.host == "127.0.0.1"
        assert server.port_setting.startswith("KINOLOOP_")


def test_prefect_and_mlflow_stay_on_loopback_until_they_are_told_otherwise(monkeypatch):
    monkeypatch.setenv("KINOLOOP_HOST", "10.0.0.5")
    opened = Environment()
    assert own_service.service(opened).host == "10.0.0.5"
    for make, port in ((stack.prefect_server, "4200"), (stack.mlflow_server, "5000")):
        server = make(opened)
        place = server.command.index("--host")
        assert (server.host, server.command[place + 1]) == ("127.0.0.1", "127.0.0.1")
        assert server.health.startswith(f"http://127.0.0.1:{port}/")
    assert stack.unguarded(opened) == ""
    monkeypatch.setenv("KINOLOOP_PREFECT_HOST", "10.0.0.6")
    monkeypatch.setenv("KINOLOOP_MLFLOW_HOST", "10.0.0.7")
    further = Environment()
    assert stack.prefect_server(further).host == "10.0.0.6"
    assert stack.mlflow_server(further).host == "10.0.0.7"
    assert "10.0.0.7:*" in stack.mlflow_server(further).variables["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert "MLflow listens at 10.0.0.7 and asks nobody" in stack.unguarded(further)


def test_homes_of_the_tools_are_inside_the_state_folder(environment, tmp_path):
    variables = own_service.service(environment).variables
    assert variables["PREFECT_HOME"] == str(tmp_path / "state" / "prefect")
    assert variables["BENTOML_HOME"] == str(tmp_path / "state" / "bentoml")


def test_an_mlflow_server_of_the_user_is_used_instead_of_ours(monkeypatch, environment):
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "https://mlflow.example.org")
    theirs = Environment()
    assert stack.has_own_mlflow(theirs)
    assert not stack.has_own_mlflow(environment)
    assert (
        own_service.service(theirs).variables["KINOLOOP_MLFLOW_URI"] == "https://mlflow.example.org"
    )
    assert "https://mlflow.example.org" in stack.addresses(theirs)
