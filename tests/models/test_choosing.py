import logging

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.split import Holdout, temporal_split
from kinoloop.models.base import build, load
from kinoloop.models.choosing import climb, ndcg_of_one
from kinoloop.models.config import NEVER_DAYS
from kinoloop.schema import DAY_US

N_VIDEOS = 60
KINDS = ("item_knn", "user_knn", "ease")


def catalogue_of(n_videos=N_VIDEOS):
    ids = IdMap([f"v{n:03d}" for n in range(n_videos)])
    return Catalogue(ids, np.zeros(n_videos, np.int64), pl.DataFrame({"video_id": ids.ids}), {})


def by_day(rng, video_on):
    """Return histories of 400 users who watch six videos each, on 30 days."""
    rows = []
    for _ in range(400):
        days = np.sort(rng.uniform(0, 30, 6))
        videos = dict.fromkeys(int(video_on(day)) for day in days)
        rows.append(
            [Interaction(v, 1.0, int(t * DAY_US)) for v, t in zip(videos, days, strict=False)]
        )
    return Histories.from_rows(rows)


def trending():
    """Six videos are on top for three days, and never again."""
    rng = np.random.default_rng(0)
    return by_day(rng, lambda day: 6 * int(day // 3) + rng.integers(6))


def evergreen():
    """The same few videos stay on top, each day other ones by chance."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, N_VIDEOS + 1) ** 0.7
    return by_day(rng, lambda _: rng.choice(N_VIDEOS, p=shares / shares.sum()))


def split_of(histories):
    return temporal_split(histories, validation_days=1, test_days=1)


def fitted(kind, histories, **settings):
    split = split_of(histories)
    model = build({"kind": kind, **settings})
    return model.fit(split.train, catalogue_of(), validation=split.validation), split


def test_what_is_better_by_chance_leaves_the_default():
    gains = np.array([1.0, -0.9] * 10)  # 0.05 on average, with a standard error of 0.2
    assert climb(lambda at: at * gains, range(9), default=4) == 4
    assert climb(lambda at: at * (gains + 1), range(9), default=4) == 8


def test_a_search_looks_past_one_descent_and_stops_at_two():
    asked = []

    def rows_at(at):
        asked.append(at)
        return np.array([[0, -1, 5, 4, 3, 9][at]] * 3)

    assert climb(rows_at, range(6), default=0) == 2
    assert max(asked) == 4
    assert climb(rows_at, range(6), default=0, look=6) == 5


@pytest.mark.parametrize("tied", [False, True])
def test_ndcg_of_one_row_of_scores_is_that_of_full_ranking(tied):
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 8 if tied else 10**6, N_VIDEOS).astype(np.float32)
    rows = [rng.permutation(N_VIDEOS)[: rng.integers(1, 40)] for _ in range(80)]
    cuts = [int(rng.integers(0, len(row))) for row in rows]
    known = [[Interaction(int(v)) for v in row[:cut]] for row, cut in zip(rows, cuts, strict=True)]
    then = [[Interaction(int(v)) for v in row[cut:]] for row, cut in zip(rows, cuts, strict=True)]
    holdout = Holdout(Histories.from_rows(known), Histories.from_rows(then))
    whole = holdout.ndcgs(lambda histories: np.tile(scores, (len(histories), 1)))
    assert whole.mean() > 0.05
    np.testing.assert_allclose(ndcg_of_one(scores, holdout.histories, holdout.targets), whole)


def test_the_half_life_follows_the_data(caplog):
    model, split = fitted("popularity", trending())
    assert model.config.prior_half_life_days == model.chosen["prior_half_life_days"] <= 1
    fixed, _ = fitted("popularity", trending(), prior_half_life_days=7)
    assert split.test.ndcg(model.score) > split.test.ndcg(fixed.score)
    slow, _ = fitted("popularity", evergreen())
    assert slow.config.prior_half_life_days >= 7


def test_the_half_life_is_that_of_new_users_where_popularity_answers_them_alone():
    trends, hits = trending(), evergreen()
    then = split_of(trends)
    lately = then.validation.rows(np.flatnonzero(then.validation.histories.lengths > 0))
    first = hits.rows(slice(0, 60)).last(3)  # somebody new watches what has always been watched
    nobody = Histories.from_rows([[]] * 60)
    window = Holdout(joined(lately.histories, nobody), joined(lately.targets, first))
    before = hits.rows(slice(60, 160))
    both = joined(then.train, before.select(before.timestamps <= then.train.timestamps.max()))
    days = {}
    for kind in ("popularity", "item_knn"):
        model = build({"kind": kind}).fit(both, catalogue_of(), validation=window)
        days[kind] = model.config.prior_half_life_days
    assert days["popularity"] <= 2 < days["item_knn"]


def joined(one, other):
    rows = [
        [
            Interaction(int(v), 1.0, int(t))
            for v, t in zip(part.videos[part.row(u)], part.timestamps[part.row(u)], strict=True)
        ]
        for part in (one, other)
        for u in range(len(part))
    ]
    return Histories.from_rows(rows)


def test_what_is_given_stays_and_without_validation_the_default_does():
    pinned, split = fitted("item_knn", trending(), prior_half_life_days=NEVER_DAYS, shrinkage=10)
    assert pinned.config.prior_half_life_days == NEVER_DAYS
    assert pinned.config.shrinkage == 10
    assert {"decay", "top_n", "trend_weight"} == set(pinned.chosen)
    plain = build({"kind": "item_knn"}).fit(split.train, catalogue_of())
    assert plain.config == build({"kind": "item_knn"}).config
    assert plain.chosen == {}


@pytest.mark.parametrize("kind", KINDS)
def test_where_trends_rule_no_neighbourhood_falls_behind_popularity(kind):
    plain, split = fitted(kind, trending(), trend_weight=0)
    popular, _ = fitted("popularity", trending())
    model, _ = fitted(kind, trending())
    floor = split.test.ndcg(popular.score)
    assert split.test.ndcg(plain.score) < 0.8 * floor
    assert split.test.ndcg(model.score) > 0.95 * floor


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_without_neighbours_is_answered_by_the_trend(kind):
    histories = evergreen().select(evergreen().videos != N_VIDEOS - 1)
    model = build({"kind": kind, "trend_weight": 0.5}).fit(histories, catalogue_of())
    alone = model.score(Histories.from_rows([[Interaction(N_VIDEOS - 1)]]))[0]
    np.testing.assert_array_equal(np.argsort(-alone), np.argsort(-model.prior))
    rows = histories.rows(slice(0, 20))
    plain = build({"kind": kind}).fit(histories, catalogue_of()).score(rows)
    np.testing.assert_allclose(
        model.score(rows), plain / plain.max(axis=1, keepdims=True) + 0.5 * model.prior, atol=2e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_chosen_is_saved_and_a_fit_with_it_chooses_the_same(kind, tmp_path):
    model, split = fitted(kind, trending())
    model.save(tmp_path)
    loaded = load(tmp_path, catalogue_of())
    assert loaded.config == model.config
    assert loaded.config.left_open == frozenset()
    rows = split.test.histories
    np.testing.assert_array_equal(loaded.score(rows), model.score(rows))
    again = build(model.config.model_dump()).fit(split.train, catalogue_of())
    np.testing.assert_array_equal(again.score(rows), model.score(rows))
    before = model.chosen
    model.fit(split.train, catalogue_of(), validation=split.validation)
    assert model.chosen == before


def test_a_release_of_before_has_no_trend_and_scores_as_it_did(tmp_path):
    import json

    histories = evergreen()
    model = build({"kind": "item_knn"}).fit(histories, catalogue_of())
    model.save(tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())
    del document["config"]["trend_weight"]
    (tmp_path / "config.json").write_text(json.dumps(document))
    rows = histories.rows(slice(0, 5))
    np.testing.assert_array_equal(load(tmp_path, catalogue_of()).score(rows), model.score(rows))


def test_ease_pulls_harder_where_data_is_dense_and_noisy(caplog):
    rng = np.random.default_rng(0)
    likes = rng.random((2, N_VIDEOS)) < 0.5  # two tastes
    rows = []
    for user in range(300):
        chances = np.where(likes[user % 2], 0.7, 0.2)
        picked = rng.permutation(np.flatnonzero(rng.random(N_VIDEOS) < chances))
        rows.append([Interaction(int(v), 1.0, int(i)) for i, v in enumerate(picked)])
    histories = Histories.from_rows(rows)
    newest = histories.ages < 3
    holdout = Holdout(histories.select(~newest), histories.select(newest))
    with caplog.at_level(logging.INFO):
        model = build({"kind": "ease"}).fit(
            histories.select(~newest), catalogue_of(), validation=holdout
        )
    assert model.config.regularization > 50
    assert f"regularization = {model.config.regularization:g}" in caplog.text
