import shutil

import pytest

from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.connection import Connection
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust
from tests.flows.toy_tables import write_toy_tables

SETTINGS = """
[extract]
encoders = []

[retrain]
min_interactions = 50
min_users = 5
validation_days = 4
test_days = 6
candidates = [{ kind = "popularity" }, { kind = "item_knn" }]

[ranker]
enabled = false

[promote]
min_users = 5
"""


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert Connection(f"sqlite:///{database}").client
    return database


@pytest.fixture
def settings(tmp_path):
    """Rewrites the settings file."""

    def write(text):
        (tmp_path / "kinoloop.toml").write_text(text)

    write(SETTINGS)
    return write


@pytest.fixture
def environment(tmp_path, monkeypatch, settings, empty_store, prefect_server):
    """A world of its own: toy tables, settings, state and an MLflow on SQLite."""
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / ".kinoloop"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    write_toy_tables(tmp_path / "data")
    (tmp_path / ".kinoloop").mkdir()
    shutil.copy(empty_store, tmp_path / ".kinoloop" / "mlflow.db")
    return Environment()


@pytest.fixture
def registry(environment):
    return ModelRegistry(environment.tracking_uri)


def open_release(environment, version):
    """The release of a version, verified."""
    trust = load_trust(environment)
    registry = ModelRegistry(environment.tracking_uri)
    bundle = registry.download(version, environment.releases, trust=trust)
    return Release.open(bundle, trust)


def damage(environment, version, *, store=True):
    """Change the local copy of a release, and what the registry has of it."""
    (environment.releases / version.digest / "golden.json").write_text("[]")
    if store:
        artifacts = environment.state_dir / "mlartifacts" / version.run_id
        (stored,) = artifacts.glob("**/golden.json")
        stored.write_text("[]")
