from dataclasses import replace

import numpy as np
import pytest

from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.ranks import rank_targets
from kinoloop.evaluation.split import Holdout, temporal_split
from kinoloop.models.base import build
from kinoloop.testing.toy import BARE_VIDEO, COLD_VIDEO, toy_catalogue, toy_histories


@pytest.fixture(scope="module")
def split():
    return temporal_split(toy_histories(toy_catalogue(), 120), validation_days=4, test_days=4)


@pytest.fixture(scope="module")
def knn(split):
    return build({"kind": "item_knn"}).fit(split.train, toy_catalogue())


def test_metrics_are_the_means_of_the_per_user_column(split, knn):
    result = evaluate(knn, split.test, train=split.train)
    assert result.metrics["rows"] == len(split.test) == len(result.per_user)
    for name in ("ndcg@10", "recall@20", "hr@10", "mrr@20", "map@10", "auc"):
        assert result.metrics[name] == pytest.approx(result.per_user[name].mean())
    assert result.per_user["user_id"].to_list() == list(split.test.histories.user_ids)
    assert {
        "coverage@10", "novelty@20", "diversity_text@10", "popularity@10", "popularity_lift@20",
    } <= set(result.metrics)  # fmt: skip


def test_ndcg_is_that_of_the_plain_ranking(split, knn):
    result = evaluate(knn, split.test)
    ranks = rank_targets(knn.score, split.test.histories, split.test.targets)
    np.testing.assert_array_equal(result.per_user["ndcg@10"], ndcg(ranks, k=10))


def test_a_recommender_that_knows_beats_popularity(split, knn):
    popular = build({"kind": "popularity"}).fit(split.train, toy_catalogue())
    floor = evaluate(popular, split.test).metrics["ndcg@10"]
    assert evaluate(knn, split.test).metrics["ndcg@10"] > floor


def test_slices_name_groups_that_have_targets(split, knn):
    histories = split.test.histories
    videos = split.test.targets.videos.copy()
    videos[:2] = [COLD_VIDEO, BARE_VIDEO]
    holdout = Holdout(
        histories=histories.select(histories.row_of != 0),
        targets=replace(split.test.targets, videos=videos),
    )
    slices = evaluate(knn, holdout, train=split.train).slices
    assert slices["new_users"]["rows"] == 1
    assert slices["new_videos"]["rows"] == 1
    assert slices["new_videos"]["hr@10"] == 0
    assert slices["without_text"]["rows"] == (videos == BARE_VIDEO).sum()
    assert "unknown_videos" not in slices


def test_an_empty_holdout_has_zero_rows(split, knn):
    result = evaluate(knn, split.test.rows(slice(0, 0)), train=split.train)
    assert result.metrics["rows"] == 0
    assert result.metrics["ndcg@10"] == 0
    assert result.slices == {}
