import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from kinoloop.data.histories import Histories, Interaction
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import leave_one_out
from kinoloop.models.sequence import MATCH_WEIGHTS, Sequence, SequenceConfig
from kinoloop.models.warm_start import WarmStart
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import COLD_VIDEO, toy_catalogue, toy_histories

SMALL = {"dim": 16, "layers": 2, "length": 8, "epochs": 15, "batch_positions": 64}


class TestSequence(RecommenderContract):
    recommender = Sequence
    asks_by_vector = True
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
    model = Sequence(SequenceConfig(**{**SMALL, "patience": 2, "match_weight": 0}))
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


def test_one_history_is_scored_without_the_framework(fitted, tmp_path):
    """A service that answers with it never imports torch, which costs more than the arithmetic."""
    fitted.save(tmp_path)
    script = """
import sys
from pathlib import Path
from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.base import load
from kinoloop.testing.toy import toy_catalogue
model = load(Path(sys.argv[1]), toy_catalogue())
history = Histories.from_rows([[Interaction(v, timestamp=v) for v in range(10, 18)]])
print("torch" in sys.modules, *model.score(history)[0])
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported, *scores = done.stdout.split()
    assert imported == "False"
    history = Histories.from_rows([[Interaction(v, timestamp=v) for v in range(10, 18)]])
    np.testing.assert_allclose([float(s) for s in scores], fitted.score(history)[0], atol=1e-4)


def test_a_word_shared_with_the_history_counts_by_its_weight(fitted):
    history = clicks(0, 2)
    without = Sequence(SequenceConfig(**SMALL, match_weight=0.0))
    without.fit(toy_histories(toy_catalogue()), toy_catalogue())
    assert fitted.match_weight > 0
    gain = fitted.score(history)[0] - without.score(history)[0]
    shares_words = fitted._match.score(history, decay=0.7)[0]
    np.testing.assert_allclose(gain, fitted.match_weight * shares_words, atol=1e-4)
    assert gain[4] > gain[5]


def test_the_weight_of_shared_words_is_chosen_on_validation():
    split = leave_one_out(toy_histories(toy_catalogue(), 80))
    model = Sequence(SequenceConfig(**{**SMALL, "epochs": 2}))
    model.fit(split.train, toy_catalogue(), validation=split.validation)
    chosen, found = model.match_weight, {}
    for weight in MATCH_WEIGHTS:
        model.match_weight = weight
        found[weight] = split.validation.ndcg(model.score)
    assert found[chosen] == max(found.values())


def test_without_validation_it_goes_on_with_what_was_chosen_before():
    histories, catalogue = toy_histories(toy_catalogue()), toy_catalogue()
    config = SequenceConfig(**{**SMALL, "epochs": 1, "match_weight": None, "wanted": 0.5})
    first = Sequence(config).fit(histories, catalogue)
    first.wanted_share, first.match_weight = 2.0, 4.0  # as if validation had chosen them
    learned = first.learned()
    again = Sequence(config)
    again.warm = WarmStart(learned, catalogue.ids, trained_until=0)
    again.fit(histories, catalogue)
    assert (again.wanted_share, again.match_weight) == (2.0, 4.0)
    of_before = {name: value for name, value in learned.items() if name != "wanted_share"}
    again.warm = WarmStart(of_before, catalogue.ids, trained_until=0)
    assert again.fit(histories, catalogue).wanted_share == 0.0


def test_a_new_video_gets_the_place_that_is_kept_for_it():
    model = Sequence(SequenceConfig(**SMALL, new_video_places=1))
    model.fit(toy_histories(toy_catalogue()), toy_catalogue())
    for history in (clicks(0, 2), clicks(1, 3)):
        scores = model.score(history)[0]
        scores[history.videos] = -np.inf
        assert np.argsort(-scores)[9] == COLD_VIDEO


def test_one_event_changes_the_slate_of_a_new_user(fitted):
    before = np.argsort(-fitted.score(Histories.from_rows([[]]))[0])[:10]
    after = np.argsort(-fitted.score(clicks(1))[0])[:10]
    assert (before != after).any()
    assert (after % 2 == 1).mean() >= 0.7


def test_many_are_scored_as_one_is(fitted):
    histories = toy_histories(toy_catalogue(), 60)
    together = fitted.score(histories)
    for row in range(0, 60, 11):
        alone = fitted.score(histories.rows(slice(row, row + 1)))[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-4)


def test_refuses_heads_that_do_not_share_evenly():
    with pytest.raises(ValidationError, match="dim is 30, which 4 heads do not share evenly"):
        SequenceConfig(dim=30, heads=4)
