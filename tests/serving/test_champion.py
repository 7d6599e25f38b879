"""Following the champion of a real MLflow registry."""

import gc
import logging
import shutil
import time
import weakref

import pytest

from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from serving.champion import Fixed, Follower, load
from tests.serving.conftest import make_bundle


class Away(ModelRegistry):
    """A registry whose server is gone."""

    def champion(self):
        raise RegistryError("no answer from the registry")


@pytest.fixture(scope="module")
def store(tmp_path_factory, bundle):
    """A registry with two versions."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    registry, runs = ModelRegistry(uri), Runs(uri)
    second = make_bundle(folder / "second", kind="popularity", seed=1)
    versions = [
        registry.register(made, run_id=runs.start(key, key=key, params={}, tags={}), tags={})
        for key, made in (("one", bundle), ("two", second))
    ]
    return registry, versions


@pytest.fixture
def registry(store):
    yield store[0]
    store[0].drop_alias("champion")


@pytest.fixture
def versions(store):
    return store[1]


@pytest.fixture
def taken():
    return []


@pytest.fixture
def follower(registry, tmp_path, taken, monkeypatch):
    monkeypatch.setattr("serving.champion.RELEASE_AFTER_S", 0.0)
    follower = Follower(lambda: registry, tmp_path / "cache", poll_s=0.05, swapped=taken.append)
    yield follower
    follower.close()


def test_waits_for_a_champion(follower, taken):
    follower.follow()
    assert follower.current is None
    assert taken == []


def test_takes_the_champion_up_and_changes_with_it(follower, registry, versions, taken):
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    assert follower.current.model_version == versions[0].version
    assert follower.current.run_id == versions[0].run_id
    assert follower.current.dataset_version == "data-0"
    registry.set_alias("champion", versions[1].version)
    follower.follow()
    assert follower.current.model_version == versions[1].version
    follower.follow()
    assert [t.model_version for t in taken] == [v.version for v in versions]


def test_follows_from_a_thread_without_being_asked(follower, registry, versions):
    follower.start()
    registry.set_alias("champion", versions[0].version)
    end = time.monotonic() + 20
    while follower.current is None and time.monotonic() < end:
        time.sleep(0.05)
    assert follower.current.model_version == versions[0].version


def test_a_damaged_release_is_refused_once_and_the_old_one_stays(
    follower,
    registry,
    versions,
    taken,
    tmp_path,
    caplog,
):
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    before = follower.current
    damaged = registry.download(versions[1], tmp_path / "cache")
    (damaged / "videos.parquet").write_bytes(b"something else")
    registry.set_alias("champion", versions[1].version)
    follower.follow()
    follower.follow()
    assert follower.current is before
    assert taken == [before, None]
    assert caplog.text.count("is refused") == 1
    shutil.rmtree(damaged)
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    assert follower.current is before


def test_a_registry_that_goes_away_changes_nothing_and_is_logged_once(
    follower,
    registry,
    versions,
    caplog,
):
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    before = follower.current
    follower._registry = Away(registry.tracking_uri)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            follower.follow()
        assert follower.current is before
        assert caplog.text.count("is away") == 1
        follower._registry = registry
        follower.follow()
    assert "is back" in caplog.text


def test_a_start_without_the_registry_takes_what_was_in_service_last(
    follower,
    registry,
    versions,
    tmp_path,
):
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    restarted = Follower(
        lambda: Away("sqlite:///nowhere"), tmp_path / "cache", poll_s=60, swapped=lambda _: None
    )
    restarted.start()
    restarted.close()
    assert restarted.current.model_version == versions[0].version
    assert restarted.current.run_id == versions[0].run_id


def test_a_first_start_without_the_registry_waits(tmp_path, caplog):
    follower = Follower(
        lambda: Away("sqlite:///nowhere"), tmp_path / "cache", poll_s=60, swapped=lambda _: None
    )
    follower.start()
    follower.close()
    assert follower.current is None
    assert "waiting for the registry" in caplog.text


def test_the_old_release_is_let_go(follower, registry, versions, taken):
    registry.set_alias("champion", versions[0].version)
    follower.follow()
    old = weakref.ref(follower.current.release)
    taken.clear()
    gc.disable()
    try:
        registry.set_alias("champion", versions[1].version)
        follower.follow()
        assert old() is None  # by reference count: no cycle holds it
    finally:
        gc.enable()


def test_a_fixed_bundle_is_checked_and_never_changes(bundle, tmp_path):
    fixed = Fixed(bundle)
    fixed.start()
    fixed.close()
    assert fixed.current.model_version.startswith("bundle-")
    assert fixed.current.run_id is None
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    (broken / "golden.json").write_text("[]")
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        Fixed(broken)


def test_durations_are_known_or_nan(bundle):
    assert load(bundle, model_version="1", run_id=None).durations[0] == 30.0
