import numpy as np
import polars as pl
import pytest

from kinoloop.evaluation.evaluate import Evaluation
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.refresh import compare, lesson_of, teach
from kinoloop.training.warm_start import WarmStartConfig, read_parent, save_trained


@pytest.fixture(scope="module")
def world():
    histories = toy_histories(toy_catalogue(), 60)
    return histories, temporal_split(histories, validation_days=3, test_days=4)


def test_the_guard_is_taught_nothing_of_its_newest_window_and_all_others_everything(world):
    histories, split = world
    lesson = lesson_of(histories, split.test, 0.5)
    assert len(lesson.guard) == round(0.5 * len(split.test))
    names, rows = np.array(lesson.histories.user_ids), lesson.histories.row_of
    learned = set(zip(names[rows], lesson.histories.videos.tolist(), strict=True))
    guards = np.array(lesson.guard.targets.user_ids)[lesson.guard.targets.row_of]
    assert not learned & set(zip(guards, lesson.guard.targets.videos.tolist(), strict=True))
    theirs = np.isin(np.array(histories.user_ids), lesson.guard.histories.user_ids)
    others = int((~theirs[histories.row_of]).sum())
    assert int((~np.isin(names, lesson.guard.histories.user_ids)[rows]).sum()) == others


def test_the_same_recipe_is_taught_for_a_fixed_number_of_steps(world, tmp_path):
    histories, split = world
    settings = {"kind": "sequence", "dim": 16, "layers": 1, "length": 8, "epochs": 4}
    proven = build(settings).fit(split.train, toy_catalogue(), validation=split.validation)
    save_trained(
        tmp_path / "t", proven, trained_until=int(split.train.timestamps.max()), scratch_cpu_s=1
    )
    warm = read_parent(tmp_path / "t", WarmStartConfig(warm_epochs=0.5), label="proven").warm
    refreshed = teach(proven, settings, lesson_of(histories, split.test, 0.2), warm=warm)
    assert refreshed.best_epoch == 2
    assert refreshed.match_weight == proven.match_weight
    assert not np.array_equal(
        refreshed.score(split.test.histories), proven.score(split.test.histories)
    )


def _measured(values):
    frame = pl.DataFrame({"ndcg@10": values})
    return Evaluation(metrics={"ndcg@10": float(np.mean(values))}, per_user=frame, slices={})


@pytest.mark.parametrize(("after", "passed"), [(0.50, True), (0.49, True), (0.40, False)])
def test_worse_by_more_than_the_margin_is_refused_with_the_figures(after, passed):
    before = np.full(50, 0.5)
    verdict = compare(_measured(before), _measured(np.full(50, after)), margin=0.1, seed=0)
    assert verdict.passed is passed
    assert f"{after:.4f} against 0.5000" in verdict.told
    assert "required above -0.0500" in verdict.told
