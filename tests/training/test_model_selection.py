from dataclasses import replace

import pytest

from kinoloop.errors import ConfigError, DataError
from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.settings import read_section
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.model_selection import (
    RetrainConfig,
    TrainingData,
    build_candidate,
    cut,
    fit_and_evaluate,
)
from kinoloop.training.outcome import Outcome, choose, scores_by_candidate

CONFIG = RetrainConfig(validation_days=4, test_days=6)


@pytest.fixture(scope="module")
def data():
    catalogue = toy_catalogue()
    histories = toy_histories(catalogue, 60)
    return TrainingData(catalogue, histories, cut(histories, CONFIG))


def _outcome(name, validation, test=0.0):
    return Outcome(
        name=name, settings={}, fit_seconds=0, epochs=[], slices={},
        validation={"ndcg@10": validation}, test={"ndcg@10": test},
    )  # fmt: skip


def test_the_winner_is_chosen_on_validation_and_never_on_test():
    outcomes = [_outcome("a", 0.2, 0.9), _outcome("b", 0.3, 0.1), _outcome("c", 0.3, 0.8)]
    assert choose(outcomes).name == "b"
    assert scores_by_candidate(outcomes)["a"] == {"validation": 0.2, "test": 0.9}


def test_a_candidate_is_fitted_and_measured_on_both_windows(data):
    recommender, outcome, per_user = fit_and_evaluate(
        {"kind": "item_knn", "name": "knn"}, data, seed=0
    )
    assert per_user["ndcg@10"].mean() == pytest.approx(outcome.test["ndcg@10"])
    assert recommender.config.kind == "item_knn"
    assert outcome.name == "knn"
    assert outcome.validation["rows"] == len(data.split.validation)
    assert outcome.test["rows"] == len(data.split.test)
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_what_is_reported_while_fitting_is_kept_by_epoch(data):
    settings = {"kind": "biased_mf"}
    outcome = fit_and_evaluate(settings, data, seed=0).outcome
    for name, value, epoch in outcome.epochs:
        assert isinstance(name, str)
        assert isinstance(value, float)
        assert epoch >= 0


def test_a_window_measures_at_most_so_many_users_evenly_spaced(data):
    few = cut(data.histories, CONFIG.model_copy(update={"max_users": 7}))
    assert len(few.test) == 7
    assert few.test.histories.user_ids[0] == data.split.test.histories.user_ids[0]
    assert few.test.histories.user_ids[-1] == data.split.test.histories.user_ids[-1]


def test_leave_one_out_holds_out_one_target_a_user(data):
    split = cut(data.histories, RetrainConfig(split="leave_one_out"))
    assert (split.test.targets.lengths == 1).all()


def test_the_same_settings_have_the_same_digest():
    assert RetrainConfig().digest() == RetrainConfig().digest()
    assert RetrainConfig().digest() != RetrainConfig(seed=1).digest()


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ('[{ kind = "popularity" }, { kind = "popularity" }]', "two candidates are called"),
        ('[{ kind = "popularity", name = "../x" }]', r"a candidate is called '\.\./x'"),
        ("[]", "at least 1 item"),
    ],
)
def test_candidates_need_names_of_their_own(tmp_path, candidates, message):
    path = tmp_path / "kinoloop.toml"
    path.write_text(f"[retrain]\ncandidates = {candidates}")
    with pytest.raises(ConfigError, match=message):
        read_section("retrain", RetrainConfig, path)


def test_an_unknown_kind_is_named():
    with pytest.raises(ConfigError, match="no recommender is called 'oracle'"):
        build_candidate({"kind": "oracle"}, seed=0)


def test_windows_beyond_the_data_are_refused(data):
    with pytest.raises(DataError, match="the training part is empty"):
        cut(data.histories, CONFIG.model_copy(update={"test_days": 400.0}))


def test_further_metrics_are_measured_for_every_candidate(data):
    data = replace(data, metrics=(*data.metrics, "precision"))
    METRICS.register("precision")(_precision)
    try:
        fitted = fit_and_evaluate({"kind": "popularity"}, data, seed=0)
    finally:
        METRICS._found.pop("precision")
    assert 0 < fitted.outcome.test["precision@10"] < fitted.outcome.test["hr@10"]
    assert "precision@10" in fitted.per_user.columns


def _precision(ranks, *, k):
    return ranks.sums((ranks.ranks <= k).astype(float)) / k
