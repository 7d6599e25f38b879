# ruff: noqa: F811 (fixtures of another folder)

import polars as pl
import pytest

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.schema import FEATURES, VIDEOS
from tasks.pruning import FORMER_CACHE, prune_releases, prune_vectors
from tests.registry.conftest import (  # noqa: F401 (fixtures)
    empty_store,
    make_bundle,
    registry,
    runs,
    tracking_uri,
)

PRINTS = ("print-of-text", "forgotten", "taken")


@pytest.fixture
def environment(tmp_path, tracking_uri, monkeypatch):
    (tmp_path / "kinoloop.toml").write_text("[extract]\nencoders = [{ kind = 'classical_audio' }]")
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", tracking_uri)
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "pruned"))
    pl.DataFrame([{"video_id": "v"}], schema=VIDEOS).write_delta(str(tmp_path / "data" / "videos"))
    rows = [
        {"video_id": "v", "modality": "text", "fingerprint": f, "present": True} for f in PRINTS
    ]
    pl.DataFrame(rows, schema=FEATURES).write_delta(str(tmp_path / "data" / "features"))
    return Environment()


def left(environment):
    rows = Tables(environment.data_dir).scan("features").collect()
    return set(rows["fingerprint"])


@pytest.mark.parametrize("alias", ["champion", "previous"])
def test_spares_what_an_aliased_release_was_made_of(
    environment,
    registry,
    runs,
    make_bundle,
    alias,
):
    run_id = runs.start("winner", key="k", params={}, tags={})
    version = registry.register(make_bundle("one"), run_id=run_id, tags={})
    registry.set_alias(alias, version.version)
    assert prune_vectors.fn(environment) == {"forgotten": 1}
    registry.drop_alias(alias)
    assert prune_vectors.fn(environment) == {"print-of-text": 1}
    assert left(environment) == {"taken"}


def test_one_folder_of_releases_keeps_what_an_alias_points_at(
    environment, registry, runs, make_bundle
):
    run_id = runs.start("winner", key="k", params={}, tags={})
    used, unused = (
        registry.register(make_bundle(name), run_id=run_id, tags={}) for name in ("one", "two")
    )
    registry.set_alias("champion", used.version)
    for version in (used, unused):
        (environment.releases / version.digest).mkdir(parents=True)
    (environment.state_dir / FORMER_CACHE / unused.digest).mkdir(parents=True)
    assert prune_releases.fn(environment) == 1
    assert not (environment.state_dir / FORMER_CACHE).exists()
    assert [path.name for path in environment.releases.iterdir()] == [used.digest]
