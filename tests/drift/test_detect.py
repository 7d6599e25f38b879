import dataclasses

import numpy as np
import polars as pl
import pytest

from kinoloop.drift.base import Measurement, Scene
from kinoloop.drift.blocks import Evidence
from kinoloop.drift.detect import DEFAULT_TESTS, DriftConfig, configured, detect, judge
from kinoloop.errors import ConfigError
from kinoloop.testing.drifting import champion_of, make_world, windows_of

CONFIG = DriftConfig(tests=tuple(t for t in DEFAULT_TESTS if t.get("modality", "text") == "text"))


def _scene(world, **changes):
    return Scene(windows_of(world), world.catalogue, champion_of(world), **changes)


def _outcomes(drift):
    return {result.name: result.outcome for result in drift.results}


@pytest.fixture(scope="module")
def drifted():
    return detect(_scene(make_world(1, drift_from=28)), CONFIG)


@pytest.mark.parametrize("seed", range(3))
def test_stays_quiet_where_nothing_has_changed(seed):
    drift = detect(_scene(make_world(seed), seed=seed), CONFIG)
    assert not drift.fired, _outcomes(drift)


def test_fires_on_all_three_levels_when_taste_turns(drifted):
    assert drifted.fired
    fired = {result.level for result in drifted.results if result.outcome == "fired"}
    assert fired == {"tables", "embeddings", "predictions"}


@pytest.mark.parametrize(
    "name",
    [
        "mix event",
        "mix device",
        "mix category watched",
        "numeric watch_share",
        "mean_vector text",
        "domain_classifier text",
        "slate_mix category",
        "slate_overlap",
        "quality",
    ],
)
def test_each_test_that_looks_there_fires(drifted, name):
    assert _outcomes(drifted)[name] == "fired"


def test_what_has_not_changed_stays_quiet_beside_what_has(drifted):
    assert {"activity": "quiet", "nulls": "quiet", "unknown_videos": "quiet"}.items() <= _outcomes(
        drifted
    ).items()


def test_few_users_are_not_enough_data_however_strong_the_drift():
    drift = detect(_scene(make_world(1, users=20, drift_from=28)), CONFIG)
    assert not drift.fired
    assert set(_outcomes(drift).values()) == {"not enough data"}
    assert "at least 30 needed" in drift.results[0].measurement.said


def test_works_without_a_champion_and_without_vectors():
    world = make_world(2, users=60)
    bare = dataclasses.replace(world.catalogue, modalities={})
    drift = detect(Scene(windows_of(world), bare), CONFIG)
    outcomes = _outcomes(drift)
    assert outcomes["mix event"] == "quiet"
    assert outcomes["mean_vector text"] == outcomes["quality"] == "not enough data"


def test_a_logger_that_stops_sending_a_field_fires_nulls():
    world = make_world(3, users=60)
    windows = windows_of(world)
    lost = pl.when(pl.col("period") < windows.current).then(pl.col("device"))
    windows = dataclasses.replace(windows, events=windows.events.with_columns(device=lost))
    config = DriftConfig(tests=({"kind": "nulls"},))
    result = detect(Scene(windows, world.catalogue), config).results[0]
    assert result.outcome == "fired"
    assert result.measurement.said == "device is missing in 100%, was 0%"


def test_twice_the_activity_fires():
    world = make_world(3, users=60)
    windows = windows_of(world)
    doubled = pl.concat([windows.events, windows.events.filter(pl.col("period") == 4)])
    windows = dataclasses.replace(windows, events=doubled)
    config = DriftConfig(tests=({"kind": "activity"},))
    assert detect(Scene(windows, world.catalogue), config).fired


def test_videos_that_the_champion_does_not_know_fire():
    world = make_world(3, users=60)
    champion = champion_of(world)
    fresh = world.videos.sort("published_at")["video_id"][60:]
    windows = windows_of(world)
    now = pl.col("period") == windows.current
    renamed = pl.when(now & pl.col("video_id").is_in(fresh.implode())).then(
        "new-" + pl.col("video_id")
    )
    events = windows.events.with_columns(video_id=renamed.otherwise(pl.col("video_id")))
    windows = dataclasses.replace(windows, events=events)
    config = DriftConfig(tests=({"kind": "unknown_videos"},))
    assert detect(Scene(windows, world.catalogue, champion), config).fired


def _measured(statistic, p_value, ordinary):
    evidence = Evidence(statistic, p_value, chance=0.0, ordinary=ordinary)
    return Measurement(evidence, users=(100, 100), said="")


@pytest.mark.parametrize(
    ("measurement", "outcome"),
    [
        (_measured(0.3, 0.001, 0.1), "fired"),
        (_measured(0.3, 0.001, float("nan")), "fired"),
        (_measured(0.2, 0.001, 0.1), "quiet"),  # too small to matter
        (_measured(0.3, 0.2, 0.1), "quiet"),  # could be chance
        (_measured(0.3, 0.001, 0.4), "quiet"),  # an ordinary week
        (Measurement(None, users=(3, 3), said=""), "not enough data"),
    ],
)
def test_fires_only_where_it_matters_is_not_chance_and_not_ordinary(measurement, outcome):
    assert judge(measurement, threshold=0.25, alpha=0.01) == outcome


def test_unknown_test_names_those_that_there_are():
    with pytest.raises(ConfigError, match=r"no drift test is called 'mixx'.*mean_vector, mix"):
        configured({"kind": "mixx"})


def test_wrong_setting_names_the_test():
    with pytest.raises(ConfigError, match=r"test 'mix': threshold: .*greater than 0"):
        configured({"kind": "mix", "column": "event", "threshold": -1})


def test_too_few_permutations_for_the_number_of_tests_are_refused():
    world = make_world(0, users=5)
    with pytest.raises(ConfigError, match="set permutations to at least 420"):
        detect(Scene(windows_of(world), world.catalogue), DriftConfig(permutations=99))


def test_drift_can_ask_for_more_than_one_fired_test(drifted):
    config = CONFIG.model_copy(update={"min_fired": 99})
    assert not detect(_scene(make_world(1, drift_from=28)), config).fired


def test_results_do_not_depend_on_the_number_of_runs():
    world = make_world(4, users=60)
    config = DriftConfig(tests=({"kind": "domain_classifier", "modality": "text"},))
    one, two = (detect(Scene(windows_of(world), world.catalogue), config).results[0] for _ in "ab")
    assert one.measurement.evidence == two.measurement.evidence
    assert np.isfinite(one.measurement.evidence.ordinary)
