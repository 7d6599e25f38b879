from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.exposures import Exposures
from kinoloop.data.watch_quantiles import WatchQuantiles
from kinoloop.ranking.config import LabelConfig
from kinoloop.ranking.labels import label, view_quantiles
from kinoloop.schema import EVENT_KINDS


def exposures(*rows):
    """Each row: kinds, watch_s, rating; of videos 0, 1, …"""
    n = len(rows)
    bits = [sum(1 << EVENT_KINDS.index(kind) for kind in row[0]) for row in rows]
    return Exposures(
        users=np.zeros(n, np.int32), videos=np.arange(n, dtype=np.int32),
        timestamps=np.arange(n), shown=np.ones(n, bool), kinds=np.array(bits),
        watch_s=np.array([row[1] for row in rows], np.float32),
        ratings=np.array([row[2] for row in rows], np.float32),
        situations=np.zeros(n, np.int32), user_ids=("u",), facts=({},),
    )  # fmt: skip


NAN = float("nan")
SEEN = exposures(
    (["impression"], NAN, NAN),
    (["impression", "view"], 9.0, NAN),
    (["impression", "view"], 1.0, NAN),
    (["impression", "view", "like"], 1.0, NAN),
    (["impression", "view", "like", "dislike"], 10.0, NAN),
    (["rating"], NAN, 4.0),
    (["rating", "view"], 10.0, 1.0),
    (["view"], NAN, NAN),
)
TEN = np.full(len(SEEN), 10.0)
UNIFORM = WatchQuantiles.fit(np.linspace(0, 10, 101), np.full(101, 10.0))


@pytest.mark.parametrize("watch", ["share", "quantile"])
def test_a_view_counts_by_how_far_it_went_and_explicit_words_beat_it(watch):
    found = label(SEEN, TEN, LabelConfig(watch=watch), UNIFORM)
    assert found.tolist() == [False, True, False, True, False, True, False, True]


def test_a_view_may_count_as_it_is():
    found = label(SEEN, TEN, LabelConfig(watch="view", positive=(), negative=()), UNIFORM)
    assert found.tolist() == [False, True, True, True, True, True, False, True]


def test_unknown_duration_counts_as_watched_by_share_and_by_all_views_by_quantile():
    unknown = np.full(len(SEEN), NAN)
    assert label(SEEN, unknown, LabelConfig(watch="share"), UNIFORM)[2]
    assert not label(SEEN, unknown, LabelConfig(watch="quantile"), UNIFORM)[2]


def test_a_rating_is_a_yes_by_the_scale_of_all_ratings():
    ten = exposures((["rating"], NAN, 4.0), (["rating"], NAN, 6.0), (["rating"], NAN, 10.0))
    assert label(ten, TEN[:3], LabelConfig(), UNIFORM).tolist() == [False, True, True]
    fixed = LabelConfig(rating_liked_from=7)
    assert label(ten, TEN[:3], fixed, UNIFORM).tolist() == [False, False, True]


def test_the_quantile_rewards_no_length():
    rng = np.random.default_rng(0)
    durations = rng.choice([10.0, 20, 60, 120, 300], 20_000)
    watched = durations**0.7 * rng.lognormal(0, 0.5, len(durations))  # longer, but less of it
    found = WatchQuantiles.fit(watched, durations).of(watched, durations)
    assert np.corrcoef(watched, durations)[0, 1] > 0.6
    assert np.corrcoef(watched / durations, durations)[0, 1] < -0.3
    assert abs(np.corrcoef(found, durations)[0, 1]) < 0.02
    assert found.mean() == pytest.approx(0.5, abs=0.01)


def test_quantiles_grow_with_watch_time_within_a_duration():
    rng = np.random.default_rng(1)
    durations = rng.uniform(5, 100, 5000)
    quantiles = WatchQuantiles.fit(rng.random(5000) * durations, durations)
    found = quantiles.of(np.linspace(0, 40, 50), np.full(50, 40.0))
    assert (np.diff(found) >= 0).all()
    assert found[0] == 0


def test_watching_to_the_end_like_most_is_the_middle_of_those_who_did():
    watched = np.concatenate([np.linspace(0, 9, 40), np.full(60, 10.0)])
    quantiles = WatchQuantiles.fit(watched, np.full(100, 10.0))
    assert quantiles.of(np.array([10.0]), np.array([10.0]))[0] == pytest.approx(0.7, abs=0.02)


def test_unknown_watch_time_has_no_quantile_and_few_views_share_one_bin():
    quantiles = WatchQuantiles.fit(np.array([1.0, 2.0, 3.0]), np.array([5.0, 50.0, 500.0]))
    assert len(quantiles.grid) == 1
    found = quantiles.of(np.array([NAN, 2.0]), np.array([5.0, NAN]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.5)
    assert (
        WatchQuantiles.fit(np.empty(0), np.empty(0)).of(np.array([0.5]), np.array([1.0]))[0] == 0.5
    )


def test_quantiles_are_learned_from_views_only():
    seen = replace(SEEN, watch_s=np.where(SEEN.happened("view"), 5.0, 1000.0).astype(np.float32))
    assert view_quantiles(seen, TEN).overall.max() == 5.0
