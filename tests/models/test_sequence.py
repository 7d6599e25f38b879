import time

import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import leave_one_out
from kinoloop.models.sequence import Sequence, SequenceConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import COLD_VIDEO, toy_catalogue, toy_histories

SMALL = {"dim": 16, "layers": 2, "length": 8, "epochs": 15, "batch_positions": 64}


class TestSequence(RecommenderContract):
    recommender = Sequence
    settings = SMALL


@pytest.fixture(scope="module")
def fitted():
    return Sequence(SequenceConfig(**SMALL)).fit(toy_histories(toy_catalogue()), toy_catalogue())


def clicks(*videos):
    return Histories.from_rows([[Interaction(v, timestamp=t) for t, v in enumerate(videos)]])


def test_a_video_nobody_has_watched_stands_among_its_topic(fitted):
    cooking, football = fitted.score(clicks(0, 2, 4))[0], fitted.score(clicks(1, 3, 5))[0]
    assert (cooking > cooking[COLD_VIDEO]).mean() < 0.5
    assert (football > football[COLD_VIDEO]).mean() >= 0.5


def test_only_the_newest_videos_are_read(fitted):
    long = clicks(*range(10, 30))
    np.testing.assert_array_equal(
        fitted.score(long), fitted.score(long.select(np.arange(20) >= 12))
    )


def test_early_stopping_keeps_the_best_epoch_and_reports_the_curve():
    split = leave_one_out(toy_histories(toy_catalogue(), 80))
    curve = {}
    model = Sequence(SequenceConfig(**{**SMALL, "patience": 2}))
    model.fit(
        split.train,
        toy_catalogue(),
        validation=split.validation,
        report=lambda name, value, step: curve.setdefault(name, []).append((step, value)),
    )
    scores = dict(curve["validation_ndcg@10"])
    assert model.best_epoch == max(scores, key=lambda epoch: (scores[epoch], -epoch))
    assert len(curve["loss"]) == len(scores)
    assert evaluate(model, split.validation).metrics["ndcg@10"] == pytest.approx(
        scores[model.best_epoch]
    )


def test_works_without_any_modality():
    catalogue = toy_catalogue()
    catalogue.modalities.clear()
    model = Sequence(SequenceConfig(**SMALL)).fit(toy_histories(catalogue), catalogue)
    assert np.isfinite(model.score(clicks(0, 2))).all()


def test_a_history_without_pairs_still_fits():
    rows = Histories.from_rows([[Interaction(0)], [Interaction(1)], []])
    model = Sequence(SequenceConfig(**{**SMALL, "epochs": 1})).fit(rows, toy_catalogue())
    assert np.isfinite(model.score(clicks(0))).all()


def test_one_history_is_scored_without_the_framework(fitted):
    history = clicks(*range(10, 18))
    fitted.score(history)
    started = time.perf_counter()
    for _ in range(50):
        fitted.score(history)
    assert (time.perf_counter() - started) / 50 < 0.02  # ten times what it takes
