"""A catalogue version tells what is popular now; what was proven is the model without it."""

from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.growth import grow
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.errors import BundleError
from kinoloop.evaluation.split import last_out
from kinoloop.models.base import build, load
from kinoloop.models.prior import popularity_prior
from kinoloop.models.trend import rise_of
from kinoloop.promotion.decision import measure
from kinoloop.release.bundle import write_bundle
from kinoloop.release.popularity import FILE, has_moved, popularity_now
from kinoloop.release.release import Release
from kinoloop.release.version import write_version
from kinoloop.testing.toy import toy_histories
from tests.flows.toy_tables import write_toy_tables

KINDS = (
    {"kind": "popularity"},
    {"kind": "item_knn", "trend_weight": 0.5},
    {"kind": "sequence", "trend_weight": 0.5, "dim": 16, "layers": 1, "epochs": 1},
)
MADE_OF = {"dataset_version": "data-2", "table_versions": {"videos": 2}}


@pytest.fixture
def tables(tmp_path):
    write_toy_tables(tmp_path / "data")
    return Tables(tmp_path / "data")


def released(tables, settings, folder):
    catalogue = load_catalogue(tables)
    histories = toy_histories(catalogue)
    write_bundle(
        folder,
        recommender=build(settings).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
    )
    return Release.open(folder)


def published(tables, model, popularity):
    directory = model.directory.with_name("next")
    growth = replace(grow(tables, model.catalogue), popularity=popularity)
    made = {"model": model, "before": model, "growth": growth, "made_of": MADE_OF}
    write_version(directory, thumbnails=(), **made)
    release = Release.open(directory)
    release.ask_golden()
    return release


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings["kind"])
def test_what_is_popular_now_moves_answers_and_is_taken_off_again(tables, settings, tmp_path):
    model = released(tables, settings, tmp_path / "releases" / "model")
    write_toy_tables(tables.root, users=1, seed=9, videos=43)
    today = np.linspace(0, 1, 43, dtype=np.float32)  # the newest upload is on top
    release = published(tables, model, today)
    assert next(iter(release.recommend([], top_k=1))).video_id == "v042"
    rows = Histories.from_rows([[], [Interaction(0), Interaction(2)], [Interaction(4)]])
    then, now = model.recommender.score(rows), release.recommender.score(rows)[:, :40]
    np.testing.assert_allclose(release.recommender.proven.score(rows)[:, :40], then, atol=1e-6)
    np.testing.assert_array_equal(now[0], today[:40])
    assert np.abs(now[1:] - then[1:]).max() > 0.1
    catalogue = release.catalogue
    again = load(release.directory / "model", catalogue)
    np.testing.assert_array_equal(again.prior, release.recommender.proven.prior)
    old = release.recommender.at_popularity(release.recommender.proven.prior)
    np.testing.assert_allclose(old.score(rows)[:, :40], then, atol=1e-5)


def test_a_rise_follows_the_popularity_of_today(tables):
    catalogue = load_catalogue(tables)
    histories = toy_histories(catalogue)
    model = build(KINDS[2]).fit(histories, catalogue)
    today = popularity_prior(histories, len(catalogue), 0.5)
    np.testing.assert_allclose(
        model.at_popularity(today)._rise, rise_of(histories, today), atol=1e-5
    )


def test_a_promotion_measures_what_was_proven(tables, tmp_path):
    model = released(tables, KINDS[1], tmp_path / "releases" / "model")
    holdout = last_out(toy_histories(model.catalogue))[1]
    targets = np.bincount(holdout.targets.videos, minlength=40).astype(np.float32)
    release = published_same(tables, model, targets / targets.max())
    assert not np.array_equal(release.recommender.prior, model.recommender.prior)
    ids = model.catalogue.ids
    before, after = measure(model, holdout, ids), measure(release, holdout, ids)
    assert after.metrics["ndcg@10"] == pytest.approx(before.metrics["ndcg@10"])


def published_same(tables, model, popularity):
    """Publish where nothing but popularity is another one."""
    release = published(tables, model, popularity)
    assert len(release.catalogue) == len(model.catalogue)
    return release


def test_popularity_now_counts_all_events_of_ten_half_lives(tables):
    catalogue, interest = load_catalogue(tables), InterestConfig()
    histories = load_histories(tables, catalogue.ids, interest)
    for days in (0.05, 2.0, 36_500.0):
        found = popularity_now(tables, catalogue.ids, interest, half_life_days=days)
        np.testing.assert_allclose(found, popularity_prior(histories, 40, days), atol=2e-3)
    nothing = Tables(tables.root.parent / "empty")
    assert popularity_now(nothing, catalogue.ids, interest, half_life_days=2.0) is None


def test_a_version_is_worth_making_where_interest_lies_elsewhere():
    then = np.array([0.5, 0.5, 0], dtype=np.float32)
    assert not has_moved(then, None)
    assert not has_moved(then, 2 * then)
    assert not has_moved(then, np.array([0.5, 0.49, 0.0, 0.0], dtype=np.float32))
    assert has_moved(then, np.array([0.5, 0.5, 0.0, 0.3], dtype=np.float32))


@pytest.mark.parametrize(
    "values", [np.ones(7), np.full(40, np.nan), np.full(40, -1.0)], ids=["short", "NaN", "below 0"]
)
def test_a_popularity_that_is_none_is_refused(tables, tmp_path, values):
    model = released(tables, KINDS[0], tmp_path / "releases" / "model")
    np.save(model.directory / FILE, values.astype(np.float32))
    with pytest.raises(BundleError, match=r"popularity\.npy holds"):
        Release.read(model.directory, model.info)
