import os
import stat

import pytest

from kinoloop.cli import access
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    return Environment()


def test_token_is_made_once_and_only_its_owner_can_read_it(environment):
    before = os.umask(0)
    try:
        token = access.load_token(environment)
    finally:
        os.umask(before)
    assert stat.S_IMODE(access.token_file(environment).stat().st_mode) == 0o600
    assert access.load_token(environment) == token
    assert len(token) >= 40
    assert [path.name for path in environment.state_dir.iterdir()] == ["prefect.token"]


def test_token_that_others_can_read_is_refused(environment):
    access.load_token(environment)
    access.token_file(environment).chmod(0o644)
    with pytest.raises(ConfigError, match=r"others can read .*prefect\.token \(mode 0644\)"):
        access.load_token(environment)


def test_token_file_without_a_token_says_what_to_do(environment):
    access.load_token(environment)
    access.token_file(environment).write_text("\n")
    with pytest.raises(ConfigError, match="has no token in it; remove it"):
        access.load_token(environment)


def test_hosts_are_loopback_the_address_and_those_of_the_settings(monkeypatch, environment):
    assert access.allowed_hosts(environment) == ["localhost", "127.0.0.1", "::1"]
    monkeypatch.setenv("KINOLOOP_HOST", "10.0.0.5")
    monkeypatch.setenv("KINOLOOP_ALLOWED_HOSTS", "Media.example.org, loop")
    hosts = access.allowed_hosts(Environment())
    assert hosts[3:] == ["10.0.0.5", "media.example.org", "loop"]


def test_no_server_trusts_every_origin(environment):
    for variables, name in (
        (access.prefect_server_variables(environment), "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"),
        (access.mlflow_server_variables(environment), "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"),
    ):
        origins = variables[name].split(",")
        assert all(origin.startswith("http://") for origin in origins)
        assert "*" not in variables[name]
