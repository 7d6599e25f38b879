"""A real MLflow on SQLite for each test; its tables are made once, which takes two seconds."""

import shutil

import pytest

from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.connection import Connection
from kinoloop.registry.runs import Runs
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from tests.release import tiny


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert Connection(f"sqlite:///{database}").client
    return database


@pytest.fixture
def tracking_uri(empty_store, tmp_path):
    (tmp_path / "state").mkdir()
    shutil.copy(empty_store, tmp_path / "state" / "mlflow.db")
    return f"sqlite:///{tmp_path / 'state' / 'mlflow.db'}"


@pytest.fixture
def registry(tracking_uri):
    return ModelRegistry(tracking_uri)


@pytest.fixture
def runs(tracking_uri):
    return Runs(tracking_uri)


@pytest.fixture
def make_bundle(tmp_path):
    def make(name, **provenance):
        directory = tmp_path / "bundles" / name
        write_bundle(
            directory,
            recommender=tiny.fitted(),
            catalogue=tiny.catalogue(),
            histories=tiny.histories(),
            provenance=Provenance(name=name, **provenance),
        )
        tiny.SIGNER.sign(directory)
        return directory

    return make
