import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build, load
from kinoloop.models.prior import popularity_prior
from kinoloop.models.trend import rise_of
from kinoloop.schema import DAY_US

N_VIDEOS = 60
SMALL = {"kind": "sequence", "dim": 16, "layers": 1, "length": 8, "epochs": 2}


@pytest.fixture(scope="module")
def catalogue():
    ids = IdMap([f"v{n:03d}" for n in range(N_VIDEOS)])
    return Catalogue(ids, np.zeros(N_VIDEOS, np.int64), pl.DataFrame({"video_id": ids.ids}), {})


@pytest.fixture(scope="module")
def split():
    """Half of what 300 users watch in 30 days are six videos that stay on top for three days."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(300):
        days = np.sort(rng.uniform(0, 30, 8))
        now = [6 * int(day // 3) + int(rng.integers(6)) for day in days]
        ever = rng.integers(0, N_VIDEOS, 8)
        videos = dict.fromkeys(np.where(rng.random(8) < 0.5, now, ever).tolist())
        rows.append(
            [Interaction(v, 1.0, int(t * DAY_US)) for v, t in zip(videos, days, strict=False)]
        )
    return temporal_split(Histories.from_rows(rows), validation_days=1, test_days=1)


@pytest.fixture(scope="module")
def trending(catalogue, split):
    return build(SMALL).fit(split.train, catalogue, validation=split.validation)


def test_what_rises_is_above_0_what_falls_below_and_who_is_rare_near_it():
    day = [[Interaction(0, 1.0, 0)]] * 30 + [[Interaction(1, 1.0, 9 * DAY_US)]] * 30
    even = [[Interaction(2, 1.0, when * DAY_US)] for when in (0, 9) for _ in range(30)]
    rare = [[Interaction(3, 1.0, 9 * DAY_US)]]
    histories = Histories.from_rows([*day, *even, *rare])
    rise = rise_of(histories, popularity_prior(histories, 50, 1.0))
    assert rise[1] > 0.5 > rise[3] > 0 > rise[0]
    assert abs(rise[2]) < 0.1
    assert abs(rise[4:]).max() == 0  # nobody watched them


def test_the_sequence_recommender_follows_a_trend_that_it_has_not_learned(
    trending, catalogue, split
):
    assert trending.config.trend_weight == trending.chosen["trend_weight"] > 0
    plain = build({**SMALL, "trend_weight": 0})
    plain.fit(split.train, catalogue, validation=split.validation)
    assert split.test.ndcg(trending.score) > 1.3 * split.test.ndcg(plain.score)
    rows = split.test.histories
    known = np.float32(trending.config.trend_weight) * rise_of(split.train, trending.prior)
    full = np.flatnonzero(rows.lengths > 0)
    both = trending.score(rows.rows(full)) - plain.score(rows.rows(full))
    np.testing.assert_allclose(both, np.tile(known, (len(full), 1)), atol=1e-4)


def test_the_trend_is_saved(trending, catalogue, split, tmp_path):
    trending.save(tmp_path)
    rows = split.test.histories
    np.testing.assert_allclose(
        load(tmp_path, catalogue).score(rows), trending.score(rows), atol=1e-6
    )


def test_a_release_of_before_scores_without_a_trend(catalogue, split, tmp_path):
    model = build(SMALL).fit(split.train, catalogue)
    model.save(tmp_path)
    state, config = tmp_path / "state.safetensors", tmp_path / "config.json"
    arrays, document = load_file(state), json.loads(config.read_text())
    del arrays["rise"], document["config"]["trend_weight"]
    save_file(arrays, state)
    config.write_text(json.dumps(document))
    rows = split.test.histories
    np.testing.assert_array_equal(load(tmp_path, catalogue).score(rows), model.score(rows))
