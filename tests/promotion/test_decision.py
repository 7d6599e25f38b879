from datetime import UTC, datetime

import numpy as np
import pytest

from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.models.base import build
from kinoloop.promotion.current import OnlyCurrent, trained_ids
from kinoloop.promotion.decision import Decision, Sides, decide
from kinoloop.promotion.gates import Gain, PromoteConfig, fresher_gate
from kinoloop.promotion.record import to_markdown
from kinoloop.promotion.slices import SliceGain, masks
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import CatalogueVersion, Provenance
from kinoloop.release.release import Release
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.model_selection import SplitConfig, cut

GATES = PromoteConfig(min_users=5)
VERSIONS = Sides(challenger="2", champion="1")


@pytest.fixture(scope="module")
def world():
    catalogue = toy_catalogue()
    histories = toy_histories(catalogue, 200)
    return catalogue, cut(histories, SplitConfig(validation_days=4, test_days=6))


@pytest.fixture(scope="module")
def make(world, tmp_path_factory):
    catalogue, split = world

    def write(kind, catalogue=catalogue, train=split.train, until=None):
        directory = tmp_path_factory.mktemp(kind) / "bundle"
        write_bundle(
            directory,
            recommender=build({"kind": kind}).fit(train, catalogue),
            catalogue=catalogue,
            histories=train,
            provenance=Provenance(
                name=kind,
                competed={kind: {"validation": 0.2, "test": 0.1}},
                trained_until=until,
            ),
        )
        return Release.open(directory)

    return write


@pytest.fixture(scope="module")
def releases(make):
    return make("item_knn"), make("popularity")


def _decide(world, challenger, champion, config=GATES):
    catalogue, split = world
    return decide(challenger, champion, split.test, config, ids=catalogue.ids, versions=VERSIONS)


def test_a_better_challenger_is_promoted_with_its_interval(world, releases):
    decision = _decide(world, *releases)
    assert decision.promoted
    assert decision.gain.low > 0
    assert decision.gain.users == decision.users == len(world[1].test)
    assert decision.gain.mean == pytest.approx(
        decision.challenger.metrics["ndcg@10"] - decision.champion.metrics["ndcg@10"]
    )


def test_a_champion_is_never_replaced_by_its_equal(world, releases):
    decision = _decide(world, releases[0], releases[0])
    assert not decision.promoted
    assert (decision.gain.low, decision.gain.high) == (0.0, 0.0)


def test_a_margin_lets_an_equal_in_or_keeps_a_better_out(world, releases):
    equal = _decide(world, releases[0], releases[0], GATES.model_copy(update={"min_gain": -0.01}))
    assert equal.promoted
    better = _decide(world, *releases, GATES.model_copy(update={"min_gain": 0.9}))
    assert not better.promoted


def test_a_champion_of_another_catalogue_order_scores_the_same(world, releases, make):
    catalogue, split = world
    order = np.arange(len(catalogue))[::-1].copy()
    turned = type(catalogue)(
        type(catalogue.ids)(catalogue.ids.ids[i] for i in order),
        catalogue.published_at[order],
        catalogue.videos[order],
        {},
    )
    train = split.train
    moved = Histories(**{**vars(train), "videos": order[train.videos].astype(np.int32)})
    elsewhere = make("popularity", turned, moved)
    decision = _decide(world, releases[0], elsewhere)
    here = _decide(world, *releases)
    assert decision.champion.metrics["ndcg@10"] == pytest.approx(
        here.champion.metrics["ndcg@10"], abs=0.02
    )


def test_an_empty_window_promotes_nobody_over_a_champion(world, releases):
    catalogue, split = world
    nobody = split.test.rows(np.empty(0, dtype=np.int64))
    decision = decide(*releases, nobody, GATES, ids=catalogue.ids, versions=VERSIONS)
    failed = {gate.name for gate in decision.gates if not gate.passed}
    assert {"enough users", "beats the champion"} <= failed


def test_a_champion_that_has_seen_the_window_is_noted(world, make):
    _, split = world
    champion, newest = make("popularity"), int(split.test.targets.timestamps.max())
    seen = {"trained_until": datetime.fromtimestamp(newest / 1e6, UTC)}
    champion.info = champion.info.model_copy(update=seen)
    decision = _decide(world, make("item_knn"), champion)
    assert "has seen a part of the window" in decision.notes[0]
    assert decision.notes[0] in to_markdown(decision)


def test_a_challenger_that_popularity_beats_is_noted(world, make):
    challenger = make("item_knn")
    measured = {"item_knn": {"validation": 0.2, "test": 0.1}}
    beaten = {**measured, "popularity": {"validation": 0.1, "test": 0.3}}
    challenger.info = challenger.info.model_copy(update={"competed": beaten})
    (note,) = [n for n in _decide(world, challenger, None).notes if "Popularity" in n]
    assert note.startswith("Popularity beats item_knn on the test window: ndcg@10 0.3000 against")


def test_the_record_says_who_on_which_data_by_how_much_and_why(world, releases):
    decision = _decide(world, *releases)
    page = to_markdown(decision)
    assert page.startswith("# Version 2 promoted to champion\n")
    assert f"paired over {decision.users} users" in page
    assert f"[{decision.gain.low:+.4f}, {decision.gain.high:+.4f}]" in page
    assert "| recommender | item_knn | popularity |" in page
    assert "| bundle and golden requests | yes | all agree | all agree |" in page
    assert "| item_knn | 0.2000 | 0.1000 |" in page
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_the_record_of_a_first_champion_has_no_other_side(world, releases):
    page = to_markdown(_decide(world, releases[0], None))
    assert "There is no champion to compare with." in page
    assert "| recommender | item_knn |\n" in page


OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def aged(make):
    """The same model twice, of two ages, and a worse one that is newer."""
    return make("item_knn", until=OLD), make("item_knn", until=NEW), make("popularity", until=NEW)


def test_an_equal_that_is_fresher_is_promoted_and_the_record_says_by_which_way(world, aged):
    champion, fresher, _ = aged
    decision = _decide(world, fresher, champion)
    assert (decision.promoted, decision.way) == (True, "fresher")
    assert "fresher and not worse" in to_markdown(decision)
    assert {one.name for one in decision.slices} >= {"new_videos"}
    assert all((one.low, one.high) == (0, 0) for one in decision.slices)
    backwards = _decide(world, champion, fresher)
    assert (backwards.promoted, backwards.way) == (False, "")


def test_what_is_fresher_and_worse_is_refused_by_the_group_that_loses(world, aged):
    champion, _, worse = aged
    decision = _decide(world, worse, champion)
    assert not decision.promoted
    (refusal,) = [one for one in decision.refusals if "not worse" in one]
    assert "all -0." in refusal
    assert _decide(world, champion, worse).way == "better"


def test_a_loss_on_one_slice_refuses_whatever_the_mean_says():
    gain = Gain(mean=0.1, low=-0.001, high=0.2, users=500, confidence=0.95)
    slices = [
        SliceGain(name="new_users", users=30, champion=0.2, mean=-0.1, low=-0.2, high=0.0),
        SliceGain(name="few", users=3, champion=0.2, mean=-0.1, low=-0.2, high=0.0),
    ]
    gate = fresher_gate(gain, slices, 0.2, PromoteConfig())
    assert (gate.passed, gate.measured.startswith("new_users")) == (False, True)
    assert fresher_gate(gain, slices[1:], 0.2, PromoteConfig()).passed
    assert not fresher_gate(gain, [], 0.2, PromoteConfig(margin=0.0)).passed


def test_slices_are_cut_by_what_the_champion_knew(world, aged):
    catalogue, split = world
    info = aged[0].info.model_copy(update={"trained_until": None})
    few = IdMap(catalogue.ids.ids[:10])
    found = masks(split.test, catalogue.ids, catalogue, (few, info))
    videos = split.test.targets.videos
    assert found["new_videos"].tolist() == (videos >= 10).tolist()
    assert set(found) >= {"new_users", "sparse_users", "without_text"} or not catalogue.modalities


def test_what_has_left_the_tables_is_ranked_by_neither_side(world, releases):
    """The most popular video is gone: where it stood, the others move up."""
    catalogue, split = world
    _, champion = releases
    gone = int(np.bincount(split.train.videos, minlength=len(catalogue)).argmax())
    left = IdMap(one for at, one in enumerate(catalogue.ids.ids) if at != gone)
    scorer = OnlyCurrent(champion.recommender, left)
    scores = scorer.score(split.test.histories.rows(slice(0, 2)))
    assert np.isneginf(scores[:, gone]).all()
    assert np.isfinite(np.delete(scores, gone, axis=1)).all()
    assert scorer.catalogue is champion.catalogue


def test_a_catalogue_that_could_not_be_brought_up_to_date_is_noted(world, releases):
    catalogue, split = world
    ids = IdMap([*catalogue.ids.ids, "new"])
    decision = decide(*releases, split.test, GATES, ids=ids, versions=VERSIONS)
    said = [note for note in decision.notes if "does not know 1 of 41 videos" in note]
    assert [note.split()[1] for note in said] == ["challenger", "champion"]


def test_new_videos_are_those_that_the_champion_was_not_trained_on(world, releases):
    """A catalogue version has them, too; they are the ones after those of training."""
    champion = releases[1]
    version = CatalogueVersion(
        number=2, model="m", trained=7, dataset_version="d", table_versions={}
    )
    info = champion.info
    champion.info = info.model_copy(update={"catalogue": version})
    assert trained_ids(champion).ids == champion.catalogue.ids.ids[:7]
    assert _decide(world, releases[0], champion).champion.digest == "m"
    champion.info = info
    assert trained_ids(champion) is champion.catalogue.ids
