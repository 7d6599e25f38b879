import tomllib
from typing import Literal

import pytest
from pydantic import Field

from kinoloop.errors import ConfigError
from kinoloop.models.base import RECOMMENDERS
from kinoloop.models.popularity import Popularity, PopularityConfig
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.model_selection import RetrainConfig, TrainingData, build_candidate, cut
from kinoloop.tuning.study import METRIC, StudyConfig, tune
from kinoloop.tuning.toml import candidate_block


@pytest.fixture(scope="module")
def data():
    catalogue = toy_catalogue()
    histories = toy_histories(catalogue, 60)
    split = cut(histories, RetrainConfig(validation_days=4, test_days=6))
    return TrainingData(catalogue, histories, split)


def search(**changes):
    given = {
        "name": "s", "candidate": {"kind": "item_knn"}, "minutes": 1.0, "seed": 0, "data": "toy",
        "max_trials": 5,
    }  # fmt: skip
    return StudyConfig(**{**given, **changes})


def test_the_first_trial_is_the_defaults_and_the_best_is_not_below_them(data, tmp_path):
    tried = []
    tuned = tune(search(), data, tmp_path / "x" / "studies.db", tried=tried.append)
    first = tried[0].settings
    assert first == {name: getattr(RECOMMENDERS.get("item_knn").Config(), name) for name in first}
    default = build_candidate(first, seed=0)
    default.fit(data.split.train, data.catalogue, validation=data.split.validation)
    assert tried[0].value == data.split.validation.ndcg(default.score)
    assert tuned.default == tried[0].value
    assert tuned.best == max(attempt.value for attempt in tried)
    assert tuned.trials == len(tried) == 5


def test_a_study_goes_on_under_its_name_and_draws_new_points(data, tmp_path):
    storage, tried = tmp_path / "studies.db", []
    tune(search(max_trials=3), data, storage, tried=tried.append)
    tuned = tune(search(max_trials=3), data, storage, tried=tried.append)
    assert tuned.trials == 6
    assert [attempt.number for attempt in tried] == list(range(6))
    points = [str(attempt.settings) for attempt in tried]
    assert len(set(points)) == 6


def test_the_best_settings_train_to_the_measured_quality(data, tmp_path):
    tuned = tune(search(), data, tmp_path / "studies.db")
    block = tomllib.loads(candidate_block(tuned))["retrain"]["candidates"][0]
    validation = data.split.validation
    again = build_candidate(block, seed=0)
    again.fit(data.split.train, data.catalogue, validation=validation)
    assert validation.ndcg(again.score) == pytest.approx(tuned.best)
    RetrainConfig(candidates=[block])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "other"}, "was made with data 'toy', now it is 'other'"),
        ({"candidate": {"kind": "ease"}}, "was made with candidate"),
    ],
)
def test_a_study_goes_on_on_the_same_problem_only(data, tmp_path, change, message):
    storage = tmp_path / "studies.db"
    tune(search(max_trials=1), data, storage)
    with pytest.raises(ConfigError, match=message):
        tune(search(**change), data, storage)


def test_no_time_is_an_error_that_says_so(data, tmp_path):
    late = search(candidate={"kind": "concat_match"}, minutes=1e-9, max_trials=1)
    with pytest.raises(ConfigError, match="no trial finished in 1e-09 minutes"):
        tune(late, data, tmp_path / "studies.db")


def test_what_was_left_out_for_lack_of_time_is_reported(data, tmp_path, monkeypatch):
    """A fit takes 40 s by the clock, so the second is stopped, and the others never begin."""
    now = 0.0

    class Clocked(Slow):
        Config = SlowConfig

        def _fit(self, histories, validation, report):
            nonlocal now
            now += 40
            super()._fit(histories, validation, report)

    monkeypatch.setitem(RECOMMENDERS._found, "slow", Clocked)
    tuned = tune(
        search(candidate={"kind": "slow"}, minutes=1.0, max_trials=5),
        data, tmp_path / "studies.db", clock=lambda: now,
    )  # fmt: skip
    assert (tuned.trials, tuned.out_of_time, tuned.left_out) == (2, 1, 3)
    assert "1 stopped by the time budget, 3 not begun for lack of time" in candidate_block(tuned)


def test_a_sequence_is_searched_from_its_first_trial_on(data, tmp_path):
    given = {"kind": "sequence", "dim": 16, "layers": 1, "epochs": 1}
    tuned = tune(search(candidate=given, max_trials=3), data, tmp_path / "studies.db")
    assert tuned.trials == 3


def test_a_point_that_does_not_fit_together_fails_alone(data, tmp_path, monkeypatch):
    class Picky(Slow):
        Config = SlowConfig

        def _fit(self, histories, validation, report):
            if self.config.level != 0.5:
                raise ConfigError("level is odd")

    monkeypatch.setitem(RECOMMENDERS._found, "slow", Picky)
    tried = []
    tuned = tune(
        search(candidate={"kind": "slow", "prior_half_life_days": 7.0}, max_trials=3),
        data, tmp_path / "studies.db", tried=tried.append,
    )  # fmt: skip
    assert [attempt.state for attempt in tried] == ["complete", "fail", "fail"]
    assert tuned.best == tuned.default


def test_a_candidate_that_is_wrong_by_itself_ends_the_search(data, tmp_path):
    given = {"kind": "sequence", "backbone": {"checkpoint": "/no/such/model"}}
    with pytest.raises(ConfigError, match="/no/such/model"):
        tune(search(candidate=given), data, tmp_path / "studies.db")


def test_a_candidate_without_a_free_setting_is_refused(data, tmp_path):
    full = {"kind": "popularity", "prior_half_life_days": 3.0}
    with pytest.raises(ConfigError, match="popularity has nothing to search"):
        tune(search(candidate=full), data, tmp_path / "studies.db")


class SlowConfig(PopularityConfig):
    kind: Literal["slow"] = "slow"
    level: float = Field(0.5, ge=0, le=1)


class Slow(Popularity):
    """Reports a curve as high as `level` while it is fitted."""

    Config = SlowConfig

    def _fit(self, histories, validation, report):
        for epoch in range(1, 5):
            report(METRIC, self.config.level + epoch / 100, epoch)


def test_a_trial_that_lags_behind_is_pruned_at_its_epoch(data, tmp_path, monkeypatch):
    monkeypatch.setitem(RECOMMENDERS._found, "slow", Slow)
    tried = []
    tuned = tune(
        search(candidate={"kind": "slow", "prior_half_life_days": 7.0}, max_trials=10),
        data, tmp_path / "studies.db", tried=tried.append,
    )  # fmt: skip
    pruned = [attempt for attempt in tried if attempt.state == "pruned"]
    assert tuned.pruned == len(pruned) > 0
    assert tried[0].state == "complete"
    finished = [a.settings["level"] for a in tried if a.state == "complete"]
    assert max(a.settings["level"] for a in pruned) < max(finished)
