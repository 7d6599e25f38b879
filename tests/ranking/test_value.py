"""A ranker that orders by what may come of showing a video, and what each of it is worth."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.ranking.config import OUTCOMES, LabelConfig, RankerConfig, ValueConfig
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.labels import label, outcomes, view_quantiles
from kinoloop.ranking.ranker import Ranker
from kinoloop.ranking.rerank import choose_blend
from kinoloop.schema import EVENT_KINDS
from tests.ranking.conftest import SMALL

BY_VALUE = {**SMALL, "value": {"order": "value", "like": 1.0, "hide": -3.0, "watch": 0.1}}


@pytest.fixture(scope="module")
def judged(windows):
    """Users like every third video of their topic, and hide every fourth one of all others."""
    exposures, rng = windows.exposures, np.random.default_rng(3)
    mine = exposures.users % 2 == exposures.videos % 2
    liked = mine & (exposures.videos % 3 == 0) & (rng.random(len(exposures)) < 0.6)
    hidden = ~mine & (exposures.videos % 4 == 0) & (rng.random(len(exposures)) < 0.5)
    kinds = exposures.kinds.copy()
    kinds[liked] |= 1 << EVENT_KINDS.index("like")
    kinds[hidden] |= 1 << EVENT_KINDS.index("not_interested")
    return replace(windows, exposures=replace(exposures, kinds=kinds))


@pytest.fixture(scope="module")
def by_value(judged, catalogue):
    return fit_ranker(RankerConfig(**BY_VALUE), judged, catalogue, seed=1)


def test_every_outcome_that_happens_is_predicted_and_calibrated(by_value):
    found = {name.split("/")[1] for name in by_value.metrics if name.startswith("outcome/")}
    assert found == {"watch", "like", "hide"}
    for name in found:
        assert by_value.metrics[f"outcome/{name}/auc"] > 0.8
        assert by_value.metrics[f"outcome/{name}/ece"] < 0.05
    chances = by_value.ranker.outcomes(by_value.test.pairs)
    for column, name in enumerate(chances):
        came = by_value.test.outcomes[:, column]
        assert by_value.metrics[f"outcome/{name}/auc"] == pytest.approx(
            roc_auc_score(came, chances[name])
        )


def test_the_label_is_learned_as_well_as_by_itself(by_value, judged, catalogue):
    alone = fit_ranker(RankerConfig(**SMALL), judged, catalogue, seed=1)
    assert by_value.metrics["test/auc"] > alone.metrics["test/auc"] - 0.02


def test_slates_are_ordered_by_the_weighted_sum_of_probabilities(by_value, judged, catalogue):
    ranker, pairs = by_value.ranker, by_value.test.pairs
    p = ranker.outcomes(pairs)
    value = 1.0 * p["like"] - 3.0 * p["hide"] + 0.1 * p["watch"]
    np.testing.assert_allclose(ranker.value(pairs), value)
    history = judged.histories.rows([2])
    candidates = np.arange(12, 40)[None]
    asked = {"moments": np.array([judged.test_from]), "retrieval": np.zeros((1, 28))}
    order = candidates[0][np.argsort(-ranker.rank(history, candidates, **asked)[0])]
    assert (order[:4] % 2 == 0).all()  # of the topic
    place = np.argsort(order)
    liked, others = candidates[0] % 6 == 0, np.isin(candidates[0] % 6, (2, 4))
    assert place[liked].mean() < place[others].mean()
    assert (order[-4:] % 2 == 1).all()
    plain = fit_ranker(RankerConfig(**SMALL), judged, catalogue, seed=1).ranker
    assert not plain.by_value
    assert plain.outcomes(pairs) == {}


def test_it_is_the_same_after_saving(by_value, catalogue, tmp_path):
    by_value.ranker.save(tmp_path)
    again = Ranker.load(tmp_path, catalogue)
    pairs = by_value.test.pairs
    assert again.by_value
    np.testing.assert_array_equal(again.value(pairs), by_value.ranker.value(pairs))


def test_the_settings_may_say_how_much_retrieval_counts(by_value, judged, catalogue):
    split = temporal_split(judged.histories, validation_days=6, test_days=6)
    retrieval = build({"kind": "popularity"}).fit(split.train, catalogue)
    ranker = by_value.ranker
    chosen, tried = choose_blend(ranker, retrieval, split.validation)
    assert chosen.blend in tried
    value = ranker.config.value.model_copy(update={"blend": 0.3})
    pinned = Ranker(
        ranker.config.model_copy(update={"value": value}), ranker.knowledge, ranker._state
    )
    chosen, tried = choose_blend(pinned, retrieval, split.validation)
    assert (chosen.blend, tried) == (0.3, {})


def test_what_never_happens_is_not_learned_and_said(windows, catalogue, caplog):
    with caplog.at_level(logging.WARNING):
        found = fit_ranker(RankerConfig(**{**BY_VALUE, "epochs": 1}), windows, catalogue)
    assert "too rare to learn, counted as never: like, save" in caplog.text
    assert set(found.ranker.outcomes(found.test.pairs)) == {"watch"}


def test_outcomes_are_told_apart_where_the_label_joins_them(windows, catalogue):
    few = windows.exposures.select(np.arange(6))
    names = ("view", "like", "not_interested", "report", "skip", "rating")
    bits = np.array([1 << EVENT_KINDS.index(name) for name in names])
    ratings = np.array([np.nan] * 5 + [1.0], dtype=np.float32)
    shown = replace(few, kinds=bits, ratings=ratings, watch_s=np.full(6, 20, dtype=np.float32))
    durations = np.full(len(catalogue), 30.0)
    policy = LabelConfig(watch="share", rating_liked_from=3.0)
    quantiles = view_quantiles(shown, durations)
    found = outcomes(shown, durations, policy, quantiles)
    said = [{OUTCOMES[at] for at in np.flatnonzero(row)} for row in found]
    assert said == [{"watch"}, {"like"}, {"hide"}, {"report"}, {"skip"}, {"dislike"}]
    assert label(shown, durations, policy, quantiles).tolist() == [True, True, *[False] * 4]


def test_every_outcome_has_a_weight():
    assert set(ValueConfig().weights()) == set(OUTCOMES)
