"""Surface, device and context of a request are features: learned from the log, read in service."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import kinoloop as kl
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.situations import logged_situation, situation_of
from kinoloop.errors import BundleError, ConfigError
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.ranker import Ranker
from kinoloop.ranking.rerank import Reranked, choose_blend
from kinoloop.ranking.vocabulary import MIN_SEEN, MOST_VALUES, Vocabulary
from kinoloop.release.bundle import write_bundle
from tests.ranking.conftest import SMALL, TEST_FROM

FACTS = (
    {"surface": "home", "device": "tv"},
    {"surface": "home", "device": "phone", "context.network": "wifi"},
    {},
)
TV, PHONE = FACTS[:2]


@pytest.fixture(scope="module")
def by_device(windows):
    """Even videos are watched on the TV, odd ones on the phone, whoever the user is."""
    exposures = windows.exposures
    rng = np.random.default_rng(5)
    where = rng.integers(0, 2, len(exposures)).astype(np.int32)
    labels = rng.random(len(exposures)) < np.where(exposures.videos % 2 == where, 0.9, 0.1)
    shown = replace(exposures, situations=where, facts=FACTS)
    return replace(windows, exposures=shown, labels=labels)


@pytest.fixture(scope="module")
def fitted_by_device(by_device, catalogue):
    return fit_ranker(RankerConfig(**SITUATED), by_device, catalogue, seed=1)


SITUATED = {**SMALL, "groups": ("text", "situation"), "text_dim": 8, "epochs": 20}


def scores(ranker, situation):
    row = Histories.from_rows([[Interaction(0), Interaction(3)]])
    videos = np.arange(10, 30)[None]
    moments, flat = np.array([TEST_FROM]), np.zeros((1, 20))
    return ranker.rank(row, videos, flat, moments=moments, situations=situation)[0]


def test_what_a_device_wants_is_learned_and_comes_first_there(
    fitted_by_device, by_device, catalogue
):
    assert fitted_by_device.metrics["test/auc"] > 0.8
    without = fit_ranker(
        RankerConfig(**{**SITUATED, "groups": ("text",)}), by_device, catalogue, seed=1
    )
    assert without.metrics["test/auc"] < 0.6
    assert fitted_by_device.metrics["served/auc"] < 0.6
    ranker = fitted_by_device.ranker
    tv, phone = scores(ranker, [TV]), scores(ranker, [PHONE])
    assert set(np.argsort(-tv)[:8] % 2) == {0}
    assert set(np.argsort(-phone)[:8] % 2) == {1}


def test_what_was_never_learned_from_is_as_if_nothing_had_been_said(fitted_by_device):
    ranker = fitted_by_device.ranker
    nothing = scores(ranker, None)
    strange = {"surface": "lift", "device": "fridge", "context.network": "smoke", "context.x": "1"}
    np.testing.assert_array_equal(scores(ranker, [strange]), nothing)
    np.testing.assert_array_equal(scores(ranker, [{}]), nothing)
    assert not np.array_equal(scores(ranker, [TV]), nothing)


def test_slates_are_measured_and_blended_in_the_situation_they_are_asked_in(
    fitted_by_device, by_device, catalogue
):
    """Each user has one device, and likes what is watched on it: only the situation tells."""
    exposures = by_device.exposures
    device = exposures.users % 2
    shown = replace(exposures, situations=device.astype(np.int32))
    split = temporal_split(by_device.histories, validation_days=6, test_days=6)
    popular = build({"kind": "popularity"}).fit(split.train, catalogue)
    ranker = fitted_by_device.ranker
    assert ranker.reads_situations

    silent, told = split.validation, split.validation.situated(shown)
    assert told.situations["u000"] == TV
    assert told.situations["u001"] == PHONE
    without, with_it = (choose_blend(ranker, popular, window) for window in (silent, told))
    assert with_it[0].blend < 1
    assert with_it[1][with_it[0].blend] > 1.2 * max(without[1].values())

    # the rows of a window keep their own situation, whichever of them are measured
    some = told.rows(np.arange(len(told))[::-3])
    whole = Reranked.on(popular, ranker, told).score(told.histories)
    part = Reranked.on(popular, ranker, told).score(some.histories)
    np.testing.assert_allclose(part, whole[::-3], rtol=1e-4, atol=1e-5)
    assert evaluate(Reranked.on(popular, ranker, some), some).metrics["ndcg@10"] > 0


def test_a_loaded_model_recommends_in_a_situation(fitted_by_device, by_device, catalogue, tmp_path):
    popular = build({"kind": "popularity"}).fit(by_device.histories, catalogue)
    write_bundle(
        tmp_path / "bundle", recommender=popular, catalogue=catalogue,
        histories=by_device.histories, ranker=fitted_by_device.ranker,
    )  # fmt: skip
    model = kl.load(tmp_path / "bundle")

    def slate(**said):
        found = model.recommend([[]], k=6, **said)["video_id"].to_list()
        return {catalogue.ids.index(video_id) % 2 for video_id in found}

    assert slate(situation={"surface": "home", "device": "tv"}) == {0}
    assert slate(situation={"device": "phone", "context": {"network": "wifi"}}) == {1}
    for wrong in ("tv", {"place": "home"}, {"device": 3}, {"context": {"network": []}}):
        with pytest.raises(ConfigError, match=r"got the situation .*expected a map such as"):
            slate(situation=wrong)


def test_the_bundle_keeps_what_is_told_apart(fitted_by_device, catalogue, tmp_path):
    fitted_by_device.ranker.save(tmp_path)
    again = Ranker.load(tmp_path, catalogue)
    for situation in (TV, PHONE):
        expected = scores(fitted_by_device.ranker, [situation])
        np.testing.assert_array_equal(scores(again, [situation]), expected)
    path = tmp_path / "situations.json"
    document = json.loads(path.read_text())
    assert document["version"] == 1
    path.write_text(json.dumps({**document, "version": 2}))
    with pytest.raises(BundleError, match="no vocabulary: version"):
        Ranker.load(tmp_path, catalogue)
    for other in ({}, {"device": ["phone", "tv", "fridge"]}):
        path.write_text(json.dumps({"version": 1, "columns": other}))
        with pytest.raises(BundleError, match="do not fit together"):
            Ranker.load(tmp_path, catalogue)
    path.unlink()
    with pytest.raises(BundleError, match="do not fit together"):
        Ranker.load(tmp_path, catalogue)


def test_no_two_values_have_one_name():
    columns = {"context.a=b": ("c",), "context.a": ("b=c",), "context.a\\": ("b",)}
    assert len(set(Vocabulary(columns).names)) == 3
    assert Vocabulary({"device": ("tv",)}).names == ["device=tv"]


def test_a_ranker_of_before_is_read_and_says_the_same(windows, catalogue, tmp_path):
    groups = ("content", "behaviour", "popularity", "user", "video", "context")
    config = RankerConfig(**{**SMALL, "groups": groups})
    found = fit_ranker(config, windows, catalogue, seed=1)
    found.ranker.save(tmp_path)
    state = load_file(tmp_path / "state.safetensors")
    first = state["head.first.weight"]
    old = np.random.default_rng(0).normal(size=(len(first), 16))  # of surface_0 … surface_15
    state["head.first.weight"] = np.hstack([first, old]).astype(np.float32)
    for name, value in (("mean", 0), ("deviation", 1)):
        state[name] = np.append(state[name], np.full(16, value)).astype(np.float32)
    save_file(state, tmp_path / "state.safetensors")
    (tmp_path / "situations.json").unlink()
    again = Ranker.load(tmp_path, catalogue)
    np.testing.assert_allclose(scores(again, [TV]), scores(found.ranker, None), atol=1e-4)


def test_only_frequent_values_of_a_bounded_number_of_columns_are_told_apart():
    facts = [{"device": f"d{n:02d}", f"context.k{n:02d}": "x"} for n in range(40)]
    rows = np.repeat(np.arange(40), np.arange(40) + 1)
    found = Vocabulary.of(facts, rows).columns
    assert found["device"] == tuple(f"d{n:02d}" for n in range(39, 39 - MOST_VALUES, -1))
    assert len(found) == 16
    assert "context.k39" in found
    few = Vocabulary.of([{"device": "tv"}], np.zeros(MIN_SEEN - 1, dtype=int))
    assert few.columns == {}


DEEP = 1200


@pytest.mark.parametrize(
    "context",
    [
        *(None, "", "no json", "[1]", '{"a": {"deep": 1}}', '{"a": null}', '{"a": [1]}'),
        "[" * DEEP + "]" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        json.dumps({"a": "\ud83d"}),
        json.dumps({"\ud83d": "a"}),
        json.dumps({"a": "x" * 201}),
        json.dumps({f"k{n}": "x" for n in range(21)}),
        '{"a": 1e999}',
        '{"a": NaN}',
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_context_that_is_no_map_of_plain_values_says_nothing(context):
    assert logged_situation("home", None, context) == {"surface": "home"}


def test_half_a_surrogate_pair_is_no_surface_and_no_device():
    assert situation_of("\ud83d", "\ud83d") == {}
    assert situation_of("\U0001f600") == {"surface": "\U0001f600"}


def test_what_fits_is_taken_beside_what_does_not():
    logged = logged_situation(None, None, '{"a": [1], "network": "wifi"}')
    assert logged == {"context.network": "wifi"}


def test_a_request_and_the_log_say_the_same():
    context = {"network": "wifi", "muted": True, "volume": 3.0, "speed": 1.5}
    logged = logged_situation("home", "tv", json.dumps(context))
    assert situation_of("home", "tv", context) == logged
    assert logged["context.muted"] == "true"
