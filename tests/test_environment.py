import stat
from pathlib import Path

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError


def test_variable_overrides_the_default(monkeypatch):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", "elsewhere")
    assert Environment().data_dir == Path("elsewhere")


def test_tracking_uri_is_sqlite_in_the_state_folder_until_a_server_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path))
    assert Environment().tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "http://127.0.0.1:5000")
    assert Environment().tracking_uri == "http://127.0.0.1:5000"


def test_the_state_folder_is_its_owners_alone(monkeypatch, tmp_path):
    for folder in (tmp_path / "fresh", tmp_path / "open"):
        monkeypatch.setenv("KINOLOOP_STATE_DIR", str(folder))
        if folder.name == "open":
            folder.mkdir(mode=0o755)
        state = Environment().private_state()
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_the_registrys_address_is_in_no_representation(monkeypatch):
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "http://me:s3cret@mlflow.example")
    assert "s3cret" not in repr(Environment())


def test_a_value_that_cannot_be_is_an_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", "abc")
    with pytest.raises(ConfigError, match="KINOLOOP_SERVICE_PORT: Input should be a valid integer"):
        Environment()
