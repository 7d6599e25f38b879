"""Blends in a retrain: what they take, and that only a proven one competes."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.before_after import lacking
from kinoloop.training.blending import of_fitted, part_names, unproven
from kinoloop.training.model_selection import (
    RetrainConfig,
    TrainingData,
    candidate_name,
    fit_and_evaluate,
)
from kinoloop.training.outcome import Interval
from kinoloop.training.refresh import Lesson, teach

OTHERS = [{"kind": "popularity"}, {"kind": "item_knn", "name": "knn", "top_n": 50}]


def candidates(*blends):
    return RetrainConfig(candidates=[*blends, *OTHERS]).candidates


def test_a_blend_comes_last_and_takes_what_it_names_by_its_settings():
    *others, blend = candidates({"kind": "blend", "parts": ["knn", "popularity"]})
    assert others == OTHERS
    assert blend["parts"] == [{**OTHERS[1]}, {"kind": "popularity", "name": "popularity"}]
    assert part_names(blend) == ["knn", "popularity"]
    assert part_names(OTHERS[0]) == []


def test_a_blend_that_names_nothing_takes_all_others():
    *_, first, second = candidates(
        {"kind": "blend"}, {"kind": "blend", "name": "two", "parts": ["knn", {"kind": "ease"}]}
    )
    assert part_names(first) == ["popularity", "knn"]
    assert part_names(second) == ["knn", "ease"]


def test_a_part_that_is_no_candidate_is_refused():
    with pytest.raises(ValidationError, match="blend blends 'ese', which is no other candidate"):
        candidates({"kind": "blend", "parts": ["knn", "ese"]})


def test_parts_that_could_not_be_fitted_are_left_out_and_one_alone_is_no_blend():
    *_, blend = candidates({"kind": "blend"})
    assert part_names(of_fitted(blend, {"popularity", "knn"})) == ["popularity", "knn"]
    alone = of_fitted(blend, {"knn"})
    assert lacking(build(alone)) == "1 of its parts could be fitted, a blend needs two"
    assert lacking(build(blend)) == ""
    assert of_fitted(OTHERS[0], set()) == OTHERS[0]


@pytest.fixture(scope="module")
def data():
    catalogue = toy_catalogue()
    histories = toy_histories(catalogue, 120)
    split = temporal_split(histories, validation_days=3, test_days=4)
    return TrainingData(catalogue, histories, split)


def test_it_takes_parts_as_they_were_fitted_and_tells_what_it_gains(data):
    *others, blend = candidates({"kind": "blend"})
    fitted = {
        candidate_name(each): fit_and_evaluate(each, data, seed=0).recommender for each in others
    }
    found = fit_and_evaluate(blend, replace(data, fitted=fitted), seed=0)
    for at, name in enumerate(fitted):
        assert found.recommender._parts.get(at) in {fitted[name], None}
    blended = found.outcome.blended
    assert blended.best_part in fitted
    assert sum(blended.weights.values()) == pytest.approx(1)
    assert blended.gain.low <= blended.gain.mean <= blended.gain.high
    mean = found.recommender.gains.mean()
    assert blended.gain.mean == pytest.approx(mean)


def test_only_a_blend_that_is_proven_competes(data):
    *_, blend = candidates({"kind": "blend"})
    outcome = fit_and_evaluate(blend, data, seed=0).outcome

    def with_gain(low):
        gain = Interval(mean=0.01, low=low, high=0.02)
        return outcome.model_copy(
            update={"blended": outcome.blended.model_copy(update={"gain": gain})}
        )

    assert unproven(with_gain(0.001)) == ""
    why = unproven(with_gain(-0.001))
    assert why.startswith("left out: not proven better than ")
    assert why.endswith("NDCG@10 +0.0100 [-0.0010, +0.0200] on validation")
    assert unproven(fit_and_evaluate(OTHERS[0], data, seed=0).outcome) == ""


def test_a_refresh_keeps_the_weights_of_the_proven_blend(data):
    *_, blend = candidates({"kind": "blend"})
    proven = fit_and_evaluate(blend, data, seed=0).recommender
    taught = teach(
        proven, blend_settings(proven), Lesson(data.histories, data.split.test), warm=None
    )
    assert taught.weights == proven.weights
    assert set(taught._parts) == set(proven._parts)
    rows = data.split.test.histories
    assert not np.array_equal(taught.score(rows), proven.score(rows))


def blend_settings(recommender):
    return recommender.config.model_dump(mode="json")
