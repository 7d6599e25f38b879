import numpy as np
import polars as pl
import pytest

import kinoloop as kl
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.metrics.base import METRICS
from tests.library import toy

TRAIN, TEST = kl.Dataset.from_frames(toy.events(), toy.videos()).split("temporal", test_days=1)


@pytest.fixture(scope="module")
def models():
    return {kind: kl.build(kind).fit(TRAIN) for kind in ("popularity", "item_knn")}


def test_the_table_orders_models_and_says_what_is_chance(models):
    found = kl.evaluate(models, TEST, baseline="popularity")
    first, last = found.frame.to_dicts()
    assert first["model"] == "item_knn"
    assert first["ndcg@10"] > last["ndcg@10"]
    by_hand = paired(*[
        found.evaluations[name].per_user["ndcg@10"] for name in ("item_knn", "popularity")
    ], seed=0)  # fmt: skip
    assert (first["difference"], first["low"], first["high"]) == (
        by_hand.mean, by_hand.low, by_hand.high
    )  # fmt: skip
    assert last["difference"] is None
    shown = repr(found)
    assert "ndcg@10 − popularity" in shown
    assert "| item_knn " in shown
    assert "<table" in found._repr_html_()


def test_without_a_baseline_all_are_held_against_the_best(models):
    assert kl.evaluate(models, TEST).baseline == "item_knn"


def test_each_is_held_against_each(models):
    pairs = kl.evaluate(models, TEST).pairs
    assert pairs.select("model", "other").rows() == [
        ("popularity", "item_knn"),
        ("item_knn", "popularity"),
    ]
    assert pairs["difference"].sum() == pytest.approx(0)


def test_cut_offs_and_metrics_are_the_callers(models):
    found = kl.evaluate(models, TEST, ks=(3,), metrics=("recall", "mrr"))
    assert found.decided_by == "recall@3"
    assert {"recall@3", "mrr@3", "coverage@3"} <= set(found.frame.columns)
    assert "ndcg@10" not in found.frame.columns
    assert set(found.per_user["model"]) == set(models)


def test_slices_show_what_a_mean_hides():
    strangers = toy.events().filter(pl.col("user_id") != "u29")
    early = kl.Dataset.from_frames(
        pl.concat([strangers, toy.events().filter(pl.col("user_id") == "u29").tail(1)]),
        toy.videos(),
    )
    train, test = early.split("temporal", test_days=1)
    found = kl.evaluate({"popularity": kl.build("popularity").fit(train)}, test)
    assert found.slices.filter(slice="new_users")["rows"].to_list() == [1.0]


def test_a_model_with_another_catalogue_is_measured_on_what_it_knows(models, tmp_path):
    fewer = toy.videos().filter(pl.col("video_id") != "v11")
    known = toy.events().filter(pl.col("video_id") != "v11")
    train, _ = kl.Dataset.from_frames(known, fewer).split("temporal", test_days=1)
    kl.build("item_knn").fit(train).save(tmp_path / "older")
    found = kl.evaluate({**models, "older": kl.load(tmp_path / "older")}, TEST)
    assert found.slices.filter(model="older", slice="unknown_videos").height == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"baseline": "ease"}, "no model is called 'ease'; there are popularity, item_knn"),
        ({"metrics": ["ndgc"]}, "no metric is called 'ndgc'; did you mean ndcg"),
        ({"metrics": "ndgc"}, "no metric is called 'ndgc'"),
        ({"metrics": []}, "evaluate needs a model, a metric and cut-offs"),
        ({"metrics": [1]}, "no metric is called 1; there are hr"),
        ({"ks": [0]}, "ks: a cut-off is 0, expected a whole number from 1 up"),
        ({"ks": ["10"]}, "ks: a cut-off is '10'"),
        ({"ks": [True]}, "ks: a cut-off is True"),
        ({"ks": 10}, "ks is 10, expected a list"),
        ({"seed": -1}, "seed is -1"),
        ({"baseline": ["popularity"]}, "no model is called"),
    ],
)
def test_what_cannot_be_measured_is_refused(models, asked, message):
    with pytest.raises(kl.ConfigError, match=message):
        kl.evaluate(models, TEST, **asked)


@pytest.mark.parametrize("value", [0.5, np.zeros(3), None])
def test_a_metric_that_gives_no_value_per_user_is_named(models, monkeypatch, value):
    monkeypatch.setitem(METRICS._found, "odd", lambda ranks, *, k: value)
    with pytest.raises(kl.DataError, match=r"metric 'odd': got .* expected a value per row"):
        kl.evaluate(models, TEST, metrics=("odd",))


def test_a_metric_that_raises_is_named(models, monkeypatch):
    monkeypatch.setitem(METRICS._found, "odd", lambda _ranks, *, k: 1 / (k - k))
    with pytest.raises(kl.DataError, match=r"metric 'odd' failed at k = 10 with ZeroDivisionErr"):
        kl.evaluate(models, TEST, metrics=("odd",))


def test_a_model_that_was_shown_what_it_must_find_is_told_of():
    everything = kl.Dataset.from_frames(toy.events(), toy.videos())
    cheat = kl.build("popularity").fit(everything)
    count = len(TEST.holdout.targets.videos)
    with pytest.warns(UserWarning, match=rf"cheat was fitted on {count} of the {count} videos"):
        kl.evaluate({"cheat": cheat}, TEST)


def test_cut_offs_may_be_numbers_of_numpy_and_come_one_by_one(models):
    found = kl.evaluate(models, TEST, ks=np.array([3, 5]), metrics=(m for m in ["ndcg"]))
    assert {"ndcg@3", "ndcg@5"} <= set(found.frame.columns)


def test_a_model_with_none_of_the_videos_to_find_is_refused(models):
    others = toy.events().with_columns(pl.col("video_id").str.replace("v", "w"))
    strange = kl.build("popularity").fit(kl.Dataset.from_frames(others))
    with pytest.raises(kl.DataError, match=r"strange has none of the .* videos to find"):
        kl.evaluate({**models, "strange": strange}, TEST)


def test_a_model_that_is_not_fitted_is_named():
    with pytest.raises(kl.KinoloopError, match="mine: ease is not fitted"):
        kl.evaluate({"mine": kl.build("ease")}, TEST)


@pytest.mark.parametrize(
    ("models", "test", "message"),
    [
        ([1], TEST, "evaluate takes models by name, got builtins.list; expected a Mapping"),
        ({"a": kl.build("ease").recommender}, TEST, "a is made by `build` or `load`, got kinoloop"),
        (
            {"a": kl.build("ease")},
            TRAIN,
            "evaluate takes the second .*; expected a TestSet",
        ),
    ],
)
def test_arguments_of_another_kind_are_refused(models, test, message):
    with pytest.raises(kl.ConfigError, match=message):
        kl.evaluate(models, test)
