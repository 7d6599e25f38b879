"""Following the catalogue versions of a champion, in a real MLflow registry."""

import numpy as np
import pytest

from kinoloop.data.growth import Growth
from kinoloop.registry.catalogues import store_catalogue
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import CATALOGUE
from kinoloop.registry.runs import Runs
from kinoloop.release.release import Release
from kinoloop.release.version import write_version
from kinoloop.testing.service import SIGNER, TRUST
from kinoloop.testing.toy import grown_catalogue
from serving.champion_watcher import ChampionWatcher

MADE_OF = {"dataset_version": "data-2", "table_versions": {}}


@pytest.fixture(scope="module")
def store(tmp_path_factory, bundle):
    folder = tmp_path_factory.mktemp("mlflow")
    registry = ModelRegistry(f"sqlite:///{folder / 'mlflow.db'}")
    run_id = Runs(registry.tracking_uri).start("one", key="one", params={}, tags={})
    version = registry.register(bundle, run_id=run_id, tags={})
    registry.set_alias("champion", version.version)
    return registry, version, bundle, folder


@pytest.fixture
def watcher(store, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.champion_watcher.RELEASE_AFTER_S", 0.0)
    registry, version, *_ = store
    registry.set_tag(version.version, CATALOGUE, "")
    watcher = follower(store, tmp_path)
    yield watcher
    watcher.close()


def follower(store, tmp_path, taken=None):
    return ChampionWatcher(
        lambda: store[0],
        tmp_path / "cache",
        trust=lambda: TRUST,
        poll_s=0.05,
        patience_s=60.0,
        swapped=(taken or []).append,
    )


def publish(store, tmp_path, *, n_new, before=None):
    """Store the next catalogue version; returns its folder."""
    registry, version, bundle, _ = store
    model = Release.open(bundle, TRUST)
    before = before or model
    new = 40 + n_new - len(before.catalogue)
    grown = Growth(grown_catalogue(n_new), new, np.empty(0, np.intp), 0, 0)
    directory = tmp_path / f"version-{n_new}"
    write_version(
        directory, model=model, before=before, growth=grown, thumbnails=(), made_of=MADE_OF
    )
    SIGNER.sign(directory)
    store_catalogue(registry, version, directory, model=model.info)
    return directory


def shown(watcher):
    slate = watcher.current.release.search("soup goal", top_k=60)
    return {place.video_id for place in slate}


def test_takes_a_catalogue_version_up_beside_its_model_and_the_next_one(watcher, store, tmp_path):
    watcher.poll()
    assert watcher.current.catalogue_number == 0
    assert "v042" not in shown(watcher)
    first = publish(store, tmp_path, n_new=4)
    watcher.poll()
    assert watcher.current.catalogue_number == 1
    assert watcher.current.model_version == store[1].version
    assert {"v040", "v042"} <= shown(watcher)
    former = watcher.current.catalogue
    publish(store, tmp_path, n_new=6, before=Release.open(first, TRUST))
    watcher.poll()
    assert watcher.current.catalogue_number == 2
    assert "v044" in shown(watcher)
    assert (tmp_path / "cache" / former).exists()  # what served last may have to serve again
    own = tmp_path / "cache" / store[1].digest / "model" / "state.safetensors"
    assert own.samefile(watcher.current.release.directory / "model" / "state.safetensors")


def test_a_start_without_the_registry_takes_the_catalogue_that_served_last(
    watcher, store, tmp_path
):
    publish(store, tmp_path, n_new=4)
    watcher.poll()
    assert watcher.current.catalogue_number == 1
    again = follower(store, tmp_path)
    again._recall()
    assert again.current.catalogue_number == 1
    assert "v042" in shown(again)


def test_a_damaged_catalogue_is_refused_and_what_serves_stays(watcher, store, tmp_path, caplog):
    watcher.poll()
    serving = watcher.current
    publish(store, tmp_path, n_new=4)
    digest = store[0].champion().catalogue
    (stored,) = (store[3] / "mlartifacts").glob(f"**/*{digest}/videos.parquet")
    stored.write_bytes(stored.read_bytes()[:-9])
    watcher.poll()
    assert watcher.current is serving
    assert "videos.parquet changed" in caplog.text
    fresh = follower(store, tmp_path)  # one that starts: better the model's own than nothing
    fresh.poll()
    assert fresh.current is None
    fresh.poll()
    assert fresh.current.catalogue_number == 0
    assert fresh.current.model_version == store[1].version
