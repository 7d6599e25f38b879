import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import kinoloop as kl
from kinoloop.data.growth import Growth
from kinoloop.data.histories import Histories, Interaction
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.promotion.decision import Sides, decide
from kinoloop.promotion.gates import PromoteConfig
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.asking import ask
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.release import Release
from kinoloop.release.reranking import Reranking
from kinoloop.release.version import write_version
from kinoloop.schema import DAY_US
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue

CONFIG = RankerConfig(
    groups=("content", "behaviour", "user"), epochs=6, hidden=16, batch_size=128,
    learning_rate=0.01, candidates=20, label={"watch": "view"},
)  # fmt: skip
NOW = START_US + 30 * DAY_US


@pytest.fixture(scope="module")
def world():
    catalogue = toy_catalogue()
    exposures, histories = toy_exposures(catalogue)
    windows = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    ranker = fit_ranker(CONFIG, windows, catalogue).ranker
    split = temporal_split(histories, validation_days=6, test_days=6)
    return catalogue, histories, split, ranker


@pytest.fixture(scope="module")
def release(world, tmp_path_factory):
    catalogue, histories, split, ranker = world
    folder = tmp_path_factory.mktemp("reranked") / "bundle"
    popular = build({"kind": "popularity"}).fit(split.train, catalogue)
    write_bundle(
        folder, recommender=popular, catalogue=catalogue, histories=histories, ranker=ranker
    )
    return Release.open(folder)


def slate(release, *videos, **rest):
    history = [Interaction(v) for v in videos]
    return [place.video_id for place in release.recommend(history, top_k=8, **rest)]


def topic(ids):
    return np.array([int(video_id[1:]) % 2 for video_id in ids])


def test_a_release_with_a_ranker_orders_popular_videos_by_taste(release):
    release.check()
    assert (topic(slate(release, 0, 2, 4, given=Given(NOW))) == 0).mean() > 0.8
    assert (topic(slate(release, 1, 3, 5, given=Given(NOW))) == 1).mean() > 0.8


def test_scores_fall_along_the_slate_and_seen_videos_stay_away(release):
    history = [Interaction(v) for v in (0, 2)]
    places = release.recommend(history, top_k=38, exclude=["v008"], given=Given(NOW))
    scores = [place.score for place in places]
    assert scores == sorted(scores, reverse=True)
    assert len(places) == 37
    assert not {"v000", "v002", "v008"} & {place.video_id for place in places}


def test_without_time_the_slate_is_that_of_retrieval(world, release):
    _, _, _, ranker = world
    in_a_hurry, heard = Reranking(ranker), []
    in_a_hurry.observe = heard.append
    scores = release.recommender.score(Histories.from_rows([[Interaction(0)]]))[0]
    row = Histories.from_rows([[Interaction(0)]])
    plain = np.argsort(-scores, kind="stable")[:5]
    found = in_a_hurry.best(row, scores.copy(), 5, given=Given(NOW), left_ms=-1.0)
    np.testing.assert_array_equal(found.videos, plain)
    np.testing.assert_array_equal(found.scores, scores[plain])
    assert heard == ["skipped"]
    assert not found.reranked


def test_what_it_costs_is_measured_and_it_is_tried_again_after_a_while(world, release):
    _, _, _, ranker = world
    tight, budget = Reranking(ranker), 5.0
    row = Histories.from_rows([[Interaction(0)]])
    scores = release.recommender.score(row)[0]
    tight._expected_ms, heard = 2 * budget, []
    tight.observe = heard.append
    for _ in range(40):
        tight.best(row, scores, 5, given=Given(NOW), left_ms=budget)
    assert heard[0] == "skipped"
    assert "taken" in heard


def test_an_answer_within_its_budget_is_reranked_and_one_that_has_none_is_not(release):
    heard = []
    release.reranking.observe = heard.append
    history = [Interaction(0)]
    assert release.recommend(history, top_k=3, budget_ms=60_000.0).reranked is True
    assert release.recommend(history, top_k=3, budget_ms=0.0).reranked is False
    assert heard == ["taken", "skipped"]


def test_without_a_budget_every_slate_is_reranked_however_long_it_takes(release, monkeypatch):
    heard = []
    release.reranking.observe = heard.append
    monkeypatch.setattr(release.reranking, "_expected_ms", 1e9)  # a very busy machine
    slates = [release.recommend([Interaction(0)], top_k=3, given=Given(NOW)) for _ in range(3)]
    assert heard == ["taken"] * 3
    assert all(slate.reranked for slate in slates)
    assert slates[0] == slates[1] == slates[2]


def test_what_was_left_out_is_in_the_log_once_a_while_with_its_count(release, caplog, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(release.reranking, "_unlogged", 0)
    monkeypatch.setattr(release.reranking, "_logged_at", -np.inf)
    monkeypatch.setattr("kinoloop.release.reranking.time.monotonic", lambda: clock[0])
    for second in (0, 1, 2, 61):
        clock[0] = float(second)
        release.recommend([Interaction(0)], top_k=3, budget_ms=0.0)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith("1 slates")
    assert lines[1].startswith("3 slates")
    assert "budget_ms" in lines[1]


def test_promotion_measures_slates_as_they_are_served(world, release, tmp_path):
    catalogue, histories, split, _ = world
    popular = build({"kind": "popularity"}).fit(split.train, catalogue)
    write_bundle(tmp_path / "plain", recommender=popular, catalogue=catalogue, histories=histories)
    decision = decide(
        release, Release.open(tmp_path / "plain"), split.test, PromoteConfig(min_users=5),
        ids=catalogue.ids, versions=Sides(challenger="2", champion="1"),
    )  # fmt: skip
    assert decision.gain.low > 0
    assert decision.promoted


def test_a_loaded_model_is_measured_at_the_beginning_of_its_window(world, release):
    window = world[2].test
    scorer = kl.load(release.directory).as_it_answers(window)
    assert scorer.moment == window.targets.timestamps.min()


def test_a_changed_video_that_was_shortlisted_and_not_shown_leaves_a_version_possible(release):
    """Without it another video comes into the shortlist, and may be re-ranked into the answer."""
    known = release.catalogue
    cases = [r for r in release.golden_requests() if r["ask"] == "recommend"]
    changed = next(np.array([v]) for v in range(len(known)) if _unseen_but_felt(release, cases, v))
    title = pl.when(pl.col("video_id") == known.ids.ids[changed[0]]).then(pl.lit("again"))
    grown = replace(known, videos=known.videos.with_columns(title=title.otherwise("title")))
    growth = Growth(grown, new=0, changed=changed, withdrawn=0, extracted_until=0)
    made_of = {"dataset_version": "data-2", "table_versions": {"videos": 2}}
    folder = release.directory.with_name("version")
    write_version(
        folder, model=release, before=release, growth=growth, thumbnails=(), made_of=made_of
    )
    version = Release.open(folder)
    version.ask_golden()
    assert version.info.catalogue.number == 1


def _unseen_but_felt(release, cases, video):
    """Whether an answer that does not show a video is another one without it."""
    name = release.catalogue.ids.ids[video]
    return any(
        name not in json.dumps([case, ask(release, case)])
        and ask(release, case, without=np.array([video])) != ask(release, case)
        for case in cases
    )
