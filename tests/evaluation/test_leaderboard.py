import polars as pl
import pytest
from PIL import Image

from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.leaderboard import by_history, leaderboard, per_user
from kinoloop.evaluation.plots import (
    plot_leaderboard,
    plot_reliability,
    plot_slices,
    plot_tradeoff,
)
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.testing.toy import toy_catalogue, toy_histories


@pytest.fixture(scope="module")
def found():
    split = temporal_split(toy_histories(toy_catalogue(), 120), validation_days=4, test_days=4)
    models = {kind: build({"kind": kind}) for kind in ("popularity", "item_knn", "user_knn")}
    return {
        name: evaluate(model.fit(split.train, toy_catalogue()), split.test, train=split.train)
        for name, model in models.items()
    }


def test_the_best_stands_first_and_differences_are_paired_with_the_reference(found):
    rows = leaderboard(found, reference="popularity", seed=0)
    values = [row.metrics["ndcg@10"] for row in rows]
    assert values == sorted(values, reverse=True)
    base = found["popularity"].metrics["ndcg@10"]
    for row in rows:
        if row.name == "popularity":
            assert row.against is None
        else:
            assert row.against.mean == pytest.approx(row.metrics["ndcg@10"] - base)
            assert row.against.low <= row.against.mean <= row.against.high


def test_the_results_of_every_user_are_kept(found):
    frame = per_user(found)
    assert len(frame) == sum(len(e.per_user) for e in found.values())
    for name, evaluation in found.items():
        mean = frame.filter(pl.col("recommender") == name)["ndcg@10"].mean()
        assert mean == pytest.approx(evaluation.metrics["ndcg@10"])


def test_groups_by_history_hold_every_user_once(found):
    groups = by_history(found["item_knn"])
    assert sum(count for _, count in groups.values()) == found["item_knn"].metrics["rows"]


def test_plots_are_pictures(found, tmp_path):
    rows = leaderboard(found, reference="popularity")
    for path in (
        plot_leaderboard(rows, tmp_path),
        plot_tradeoff(rows, tmp_path),
        plot_slices(found, tmp_path),
        plot_reliability([1, 0, 1, 0], [0.9, 0.2, 0.6, 0.4], tmp_path),
    ):
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 3
