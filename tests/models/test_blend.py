import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import ConfigError
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build, load
from kinoloop.models.blend import Blend
from kinoloop.models.blending import Pool, learn_weights, pool_of
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue, toy_histories

PARTS = ["popularity", "item_knn", "content_cosine"]


class TestBlend(RecommenderContract):
    recommender = Blend
    settings = {"parts": PARTS}


class TestBlendWithANetwork(RecommenderContract):
    recommender = Blend
    asks_by_vector = True
    settings = {
        "parts": [
            {"kind": "biased_mf", "factors": 4},
            {
                "kind": "two_tower",
                "dim": 8,
                "hidden": 8,
                "epochs": 6,
                "learning_rate": 0.01,
                "batch_size": 64,
            },
        ]
    }


@pytest.fixture(scope="module")
def world():
    return temporal_split(toy_histories(toy_catalogue(), 200), validation_days=3, test_days=4)


def fit(settings, world):
    return build(settings).fit(world.train, toy_catalogue(), validation=world.validation)


@pytest.fixture(scope="module")
def fitted(world):
    return fit({"kind": "blend", "parts": PARTS}, world)


def test_the_score_is_the_sum_of_the_parts_on_one_scale(fitted, world):
    rows, total = world.validation.histories, 0
    for at, name in enumerate(PARTS):
        weight = fitted.weights[name]
        if weight:
            part = fit({"kind": name}, world)
            place = np.minimum(np.ceil(np.log2(np.maximum(rows.lengths, 1))), 6).astype(int)
            total = total + weight * part.score(rows) / fitted._scales[at][place][:, None]
    some = rows.lengths > 0
    np.testing.assert_allclose(fitted.score(rows)[some], total[some], rtol=1e-4, atol=1e-5)


def test_it_is_not_worse_on_validation_than_its_best_part(fitted, world):
    alone = [world.validation.ndcg(fit({"kind": kind}, world).score) for kind in PARTS]
    assert fitted.best_alone == PARTS[int(np.argmax(alone))]
    assert world.validation.ndcg(fitted.score) >= max(alone) - 1e-9
    assert len(fitted.gains) == len(world.validation)


def test_pooled_ndcg_is_that_of_the_full_ranking(world):
    parts = [fit({"kind": kind}, world) for kind in PARTS]
    pool = pool_of([part.score for part in parts], world.validation)
    for at, part in enumerate(parts):
        expected = world.validation.ndcg(part.score)
        assert pool.ndcg(np.eye(3)[at]).mean() == pytest.approx(expected, abs=1e-9)


def test_rows_are_pooled_alike_however_they_are_cut(world, monkeypatch):
    scores = [fit({"kind": kind}, world).score for kind in PARTS[:2]]
    whole = pool_of(scores, world.validation)
    monkeypatch.setattr("kinoloop.models.blending.CHUNK_CELLS", 1)
    cut = pool_of(scores, world.validation)
    np.testing.assert_allclose(cut.scores, whole.scores, atol=1e-5)
    np.testing.assert_array_equal(cut.wanted, whole.wanted)


def two_halves(n_rows, *, seed=0):
    """Two parts that each know the next video of half of the rows, and a part that knows none."""
    rng = np.random.default_rng(seed)
    scores = rng.random((n_rows, 50, 3)).astype(np.float32)
    wanted = np.zeros((n_rows, 50), dtype=bool)
    wanted[:, 0] = True
    knows = rng.random(n_rows) < 0.5
    scores[knows, 0, 0] += 2
    scores[~knows, 0, 1] += 2
    return Pool(scores, wanted, np.ones(n_rows))


def test_parts_that_know_different_users_are_better_together():
    learned = learn_weights(two_halves(400))
    assert learned.weights[:2].min() > 0.2
    assert learned.weights[2] == 0
    assert learned.gains.mean() > 0.2


def test_noise_gains_nothing_on_rows_that_the_weights_have_not_seen():
    pool = two_halves(400)
    noise = np.random.default_rng(1).random(pool.scores.shape).astype(np.float32)
    learned = learn_weights(Pool(noise, pool.wanted, pool.ideal))
    assert learned.gains.mean() < 2 * learned.gains.std() / np.sqrt(len(learned.gains))


def test_a_part_of_no_weight_is_not_kept(fitted, tmp_path):
    fitted.save(tmp_path)
    again = load(tmp_path, toy_catalogue())
    kept = {name for name, weight in fitted.weights.items() if weight}
    assert {PARTS[at] for at in again._parts} == kept
    assert again.weights == fitted.weights
    row = Histories.from_rows([[Interaction(0), Interaction(2)]])
    np.testing.assert_allclose(again.score(row), fitted.score(row), rtol=1e-6)


def test_parts_that_are_fitted_already_are_taken(world):
    given = {kind: fit({"kind": kind}, world) for kind in PARTS}
    blend = build({"kind": "blend", "parts": PARTS})
    blend.given = given
    blend.fit(world.train, toy_catalogue())
    assert [blend._parts[at] for at in range(3)] == list(given.values())


def test_one_part_is_no_blend(world):
    with pytest.raises(ConfigError, match="a blend of 1 parts; name at least two"):
        build({"kind": "blend", "parts": ["popularity"]}).fit(world.train, toy_catalogue())
