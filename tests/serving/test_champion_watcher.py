"""Following the champion of a real MLflow registry."""

import gc
import logging
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest

from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.release.signature import Trust
from kinoloop.testing.service import TRUST
from serving.champion_watcher import ChampionWatcher, Fixed
from serving.in_service import load
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


def registry_files(registry):
    """Where the artifacts of a registry on SQLite lie."""
    return Path(registry.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts"


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
def watcher(registry, tmp_path, taken, monkeypatch):
    monkeypatch.setattr("serving.champion_watcher.RELEASE_AFTER_S", 0.0)
    watcher = _watcher(lambda: registry, tmp_path / "cache", swapped=taken.append)
    yield watcher
    watcher.close()


def _watcher(registry, cache_dir, *, swapped=lambda _: None, patience_s=60.0):
    return ChampionWatcher(
        registry,
        cache_dir,
        trust=lambda: TRUST,
        poll_s=0.05,
        patience_s=patience_s,
        swapped=swapped,
    )


def test_waits_for_a_champion(watcher, taken):
    watcher.poll()
    assert watcher.current is None
    assert taken == []


def test_a_key_that_is_made_after_the_start_is_trusted(registry, versions, tmp_path):
    """The service of a fresh installation starts before its first retrain makes the key."""
    keys: set[str] = set()
    late = ChampionWatcher(
        lambda: registry,
        tmp_path / "cache",
        trust=lambda: Trust(frozenset(keys)),
        poll_s=0.05,
        patience_s=60.0,
        swapped=lambda _: None,
    )
    late.poll()
    assert late.current is None
    keys |= TRUST.keys
    registry.set_alias("champion", versions[0].version)
    late.poll()
    assert late.current.model_version == versions[0].version


def test_takes_the_champion_up_and_changes_with_it(watcher, registry, versions, taken):
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    assert watcher.current.model_version == versions[0].version
    assert watcher.current.run_id == versions[0].run_id
    assert watcher.current.dataset_version == "data-0"
    registry.set_alias("champion", versions[1].version)
    watcher.poll()
    assert watcher.current.model_version == versions[1].version
    watcher.poll()
    assert [t.model_version for t in taken] == [v.version for v in versions]


def test_follows_from_a_thread_without_being_asked(watcher, registry, versions):
    watcher.start()
    registry.set_alias("champion", versions[0].version)
    end = time.monotonic() + 600
    while watcher.current is None and time.monotonic() < end:
        time.sleep(0.05)
    assert watcher.current.model_version == versions[0].version


def test_a_damaged_release_is_refused_once_and_the_old_one_stays(
    watcher,
    registry,
    versions,
    taken,
    tmp_path,
    caplog,
):
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    before = watcher.current
    (stored,) = registry_files(registry).glob(f"{versions[1].run_id}/**/videos.parquet")
    whole = stored.read_bytes()
    stored.write_bytes(b"something else")
    registry.set_alias("champion", versions[1].version)
    watcher.poll()
    watcher.poll()
    assert watcher.current is before
    assert taken == [before, None]
    assert caplog.text.count("was refused") == 1
    assert "kinoloop rollback" in caplog.text
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    assert watcher.current is before
    stored.write_bytes(whole)


def test_a_registry_that_goes_away_changes_nothing_and_is_logged_once(
    watcher,
    registry,
    versions,
    caplog,
):
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    before = watcher.current
    watcher._registry = Away(registry.tracking_uri)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watcher.poll()
        assert watcher.current is before
        assert caplog.text.count("the registry is away") == 1
        watcher._registry = registry
        watcher.poll()
    assert "can be reached again" in caplog.text


def test_a_start_without_the_registry_takes_what_was_in_service_last(
    watcher,
    registry,
    versions,
    tmp_path,
):
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    restarted = _watcher(lambda: Away("sqlite:///nowhere"), tmp_path / "cache")
    restarted.start()
    restarted.close()
    assert restarted.current.model_version == versions[0].version
    assert restarted.current.run_id == versions[0].run_id


def test_a_first_start_without_the_registry_waits(tmp_path, caplog):
    watcher = _watcher(lambda: Away("sqlite:///nowhere"), tmp_path / "cache")
    watcher.start()
    watcher.close()
    assert watcher.current is None
    assert watcher.waiting.why == "registry_away"
    assert "nothing was in service here before" in caplog.text


@pytest.fixture
def served_before(watcher, registry, versions):
    """Version 1 was in service when the service stopped."""
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    return versions[0]


def _restart(registry, cache_dir, **rest):
    restarted = _watcher(lambda: registry, cache_dir, **rest)
    restarted.start()
    restarted.close()
    return restarted


def test_a_start_recalls_the_last_good_release_where_the_champion_is_damaged(
    served_before, registry, versions, tmp_path
):
    (stored,) = registry_files(registry).glob(f"{versions[1].run_id}/**/golden.json")
    whole = stored.read_bytes()
    stored.write_bytes(b"[]")
    registry.set_alias("champion", versions[1].version)
    restarted = _restart(registry, tmp_path / "cache")
    stored.write_bytes(whole)
    assert restarted.current.model_version == served_before.version
    assert restarted.waiting.why == "release_refused"


def test_a_start_recalls_the_last_good_release_where_the_champion_is_gone(
    served_before, registry, versions, tmp_path
):
    files = registry_files(registry) / versions[1].run_id
    files.rename(tmp_path / "away")
    registry.set_alias("champion", versions[1].version)
    restarted = _restart(registry, tmp_path / "cache")
    (tmp_path / "away").rename(files)
    assert restarted.current.model_version == served_before.version


def test_a_start_recalls_the_last_good_release_where_nothing_is_champion(
    served_before, registry, tmp_path
):
    registry.drop_alias("champion")  # as deleting its version does
    assert _restart(registry, tmp_path / "cache").current.model_version == served_before.version


def test_a_start_recalls_the_last_good_release_where_a_tag_leads_elsewhere(
    served_before, registry, versions, tmp_path
):
    registry.set_tag(versions[1].version, "digest", "../../../x")
    registry.set_alias("champion", versions[1].version)
    restarted = _restart(registry, tmp_path / "cache")
    registry.set_tag(versions[1].version, "digest", versions[1].digest)
    assert restarted.current.model_version == served_before.version
    assert "'../../../x', expected 64 hex digits" in restarted.waiting.detail


def test_a_start_recalls_the_one_before_where_the_last_is_damaged_and_the_registry_away(
    served_before, watcher, registry, versions, tmp_path
):
    registry.set_alias("champion", versions[1].version)
    watcher.poll()
    (tmp_path / "cache" / versions[1].digest / "golden.json").write_bytes(b"[]")
    restarted = _restart(Away("sqlite:///nowhere"), tmp_path / "cache")
    assert restarted.current.model_version == served_before.version


class Dripping(ModelRegistry):
    """A registry whose artifact server never comes to an end."""

    def download(self, version, cache_dir, *, trust):
        released.wait()
        return super().download(version, cache_dir, trust=trust)


released = threading.Event()


def test_a_start_does_not_wait_for_files_that_drip(
    served_before, registry, versions, tmp_path, monkeypatch
):
    monkeypatch.setattr("serving.champion_watcher.RELEASE_AFTER_S", 0.0)
    registry.set_alias("champion", versions[1].version)
    released.clear()
    watcher = _watcher(lambda: Dripping(registry.tracking_uri), tmp_path / "cache", patience_s=0.2)
    watcher.start()
    assert watcher.current.model_version == served_before.version
    _until(lambda: watcher.waiting.why == "release_arriving")
    released.set()  # it arrives at last, and is taken up
    _until(lambda: watcher.current.model_version == versions[1].version)
    watcher.close()


def test_a_start_waits_for_a_release_that_is_being_loaded(
    registry, versions, tmp_path, monkeypatch
):
    loading = threading.Event()

    class OutOfPatience(threading.Event):
        def wait(self, timeout=None):
            return not loading.wait(600)

    def slowly(*args, **rest):
        loading.set()
        time.sleep(0.3)  # in which a start that does not wait is over
        return load(*args, **rest)

    monkeypatch.setattr("serving.champion_watcher.load", slowly)
    registry.set_alias("champion", versions[0].version)
    watcher = _watcher(lambda: registry, tmp_path / "cache")
    watcher._asked = OutOfPatience()
    watcher.start()
    watcher.close()
    assert watcher.current.model_version == versions[0].version


def _until(done):
    end = time.monotonic() + 600
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_release_that_raises_anything_at_all_is_refused(watcher, registry, versions, monkeypatch):
    def fail(*_):
        raise MemoryError("no idea")

    monkeypatch.setattr("serving.in_service.Release.open", fail)
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    assert watcher.current is None
    assert (watcher.waiting.why, watcher.waiting.detail) == ("release_refused", "no idea")


def test_why_there_is_no_release_is_told_apart(watcher, registry, versions):
    watcher.poll()
    assert watcher.waiting.why == "no_release"
    assert "kinoloop promote" in watcher.waiting.next_step
    watcher._registry = Away(registry.tracking_uri)
    watcher.poll()
    assert watcher.waiting.why == "registry_away"
    assert "promoted" not in watcher.waiting.what
    assert "KINOLOOP_MLFLOW_URI" in watcher.waiting.next_step


def test_the_old_release_is_let_go(watcher, registry, versions, taken):
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    old = weakref.ref(watcher.current.release)
    taken.clear()
    gc.disable()
    try:
        registry.set_alias("champion", versions[1].version)
        watcher.poll()
        assert old() is None  # by reference count: no cycle holds it
    finally:
        gc.enable()


def test_a_release_with_a_cycle_is_let_go_too(watcher, registry, versions, taken):
    """`gc.freeze` after each swap kept every release with a cycle forever: 55 MB per promotion."""
    for turn in range(2):  # what is there after the first swap may stay: once
        registry.set_alias("champion", versions[turn].version)
        watcher.poll()
    release = watcher.current.release
    release.itself = release
    old = weakref.ref(release)
    del release
    taken.clear()
    registry.set_alias("champion", versions[0].version)
    watcher.poll()
    assert old() is None


def test_a_fixed_bundle_is_checked_and_never_changes(bundle, tmp_path):
    fixed = Fixed(bundle, TRUST)
    fixed.start()
    fixed.close()
    assert fixed.current.model_version.startswith("bundle-")
    assert fixed.current.run_id is None
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    (broken / "golden.json").write_text("[]")
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        Fixed(broken, TRUST)


def test_durations_are_known_or_nan(bundle):
    assert load(bundle, TRUST, model_version="1").durations[0] == 30.0
