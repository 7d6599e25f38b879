from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from kinoloop.errors import DataError
from kinoloop.ranking.config import GROUPS, RankerConfig
from kinoloop.ranking.data import labelled
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.network import RankerHead, profile
from kinoloop.ranking.ranker import Ranker
from kinoloop.schema import DAY_US
from tests.ranking.conftest import SMALL, TEST_FROM, VALIDATION_FROM


def test_it_learns_who_likes_what_and_its_probabilities_are_calibrated(fitted):
    assert fitted.metrics["test/auc"] > 0.85
    assert fitted.metrics["test/log_loss"] < 0.45
    assert fitted.metrics["test/ece"] < 0.06


def test_metrics_are_those_of_scikit_learn(fitted):
    labels, p = fitted.test.labels, fitted.probabilities
    assert fitted.metrics["test/auc"] == pytest.approx(roc_auc_score(labels, p), abs=1e-6)
    assert fitted.metrics["test/log_loss"] == pytest.approx(log_loss(labels, p), abs=1e-6)
    assert fitted.metrics["test/exposures"] == len(labels)


def test_what_an_answer_in_service_knows_is_measured_too(fitted):
    blind = fitted.test.pairs.anywhere()
    p = fitted.ranker.probabilities(blind)
    assert (blind.situations == -1).all()
    assert fitted.metrics["served/auc"] == pytest.approx(roc_auc_score(fitted.test.labels, p))


def test_windows_follow_time(fitted):
    assert fitted.train.pairs.moments.max() < VALIDATION_FROM
    assert fitted.test.pairs.moments.min() >= TEST_FROM


def test_the_same_seed_gives_the_same_ranker(fitted, windows, catalogue):
    again = fit_ranker(RankerConfig(**SMALL), windows, catalogue, seed=1)
    np.testing.assert_allclose(again.probabilities, fitted.probabilities, rtol=1e-4)


def test_the_language_model_alone_knows_the_topics(windows, catalogue):
    config = RankerConfig(**{**SMALL, "groups": ("text",), "text_dim": 4})
    assert fit_ranker(config, windows, catalogue).metrics["test/auc"] > 0.8


def test_the_arrays_compute_what_the_network_computes(windows, catalogue):
    config = RankerConfig(**{**SMALL, "groups": GROUPS, "text_dim": 4, "epochs": 1})
    found = fit_ranker(config, windows, catalogue)
    pairs, state = found.test.pairs, found.ranker._state
    names, _ = found.ranker._features.of(pairs)
    head = RankerHead(
        found.test.features.shape[1],
        8,
        projection=4,
        hidden=config.hidden,
        dropout=0.0,
        situation=[at for at, name in enumerate(names) if name.startswith("situation.")],
    ).eval()
    head.load_state_dict(
        {k.removeprefix("head."): torch.from_numpy(v) for k, v in state.items() if "head." in k}
    )
    vectors = torch.from_numpy(state["text"].copy())
    weights = np.maximum(pairs.interest, 0) * 0.8 ** np.arange(config.length)
    users = profile(
        vectors,
        torch.from_numpy(pairs.history.astype(np.int64)),
        torch.from_numpy(weights.astype(np.float32)),
    )
    videos = vectors[torch.from_numpy(pairs.videos.astype(np.int64))]
    expected = head(torch.from_numpy(found.test.features), users, videos).detach().numpy()
    np.testing.assert_allclose(found.ranker.logits(pairs), expected, rtol=1e-3, atol=1e-4)


def test_without_impressions_negatives_are_drawn(windows, catalogue):
    exposures = windows.exposures
    views = exposures.select(exposures.happened("view"))
    bare = replace(windows, exposures=replace(views, shown=np.zeros(len(views), dtype=bool)))
    found = fit_ranker(RankerConfig(**{**SMALL, "negatives": 3}), bare, catalogue)
    assert found.test.labels.mean() == pytest.approx(1 / 4, abs=0.1)
    assert found.metrics["test/auc"] > 0.65  # .70 is the best there: half of the drawn are liked


def test_days_before_impressions_were_recorded_keep_their_views(windows, catalogue):
    exposures = windows.exposures
    begins = np.median(exposures.timestamps) // DAY_US * DAY_US
    early = exposures.timestamps < begins
    keep = exposures.happened("view") | ~early
    half = exposures.select(keep)
    half = replace(half, shown=half.shown & (half.timestamps >= begins))
    config = RankerConfig(**{**SMALL, "negatives": 3})
    given, labels = labelled(replace(windows, exposures=half), catalogue, config, seed=0)
    before, after = given.timestamps < begins, half.timestamps >= begins
    wanted = labels[before].sum()
    assert wanted
    assert before.sum() == (half.timestamps < begins).sum() + 3 * wanted
    assert given.shown[before].all()
    np.testing.assert_array_equal(given.videos[~before], half.videos[after])
    np.testing.assert_array_equal(given.shown[~before], half.shown[after])


def test_a_window_with_one_kind_of_label_is_refused(windows, catalogue):
    labels = np.ones(len(windows.exposures), dtype=bool)
    with pytest.raises(DataError, match=r"the training window has .* both kinds are needed"):
        fit_ranker(RankerConfig(**SMALL), replace(windows, labels=labels), catalogue)


def test_no_exposures_are_an_error_that_says_so(windows, catalogue):
    nothing = windows.exposures.select(np.zeros(len(windows.exposures), dtype=bool))
    with pytest.raises(DataError, match="no events of any video of the catalogue"):
        fit_ranker(RankerConfig(**SMALL), replace(windows, exposures=nothing), catalogue)


def test_saved_and_loaded_it_says_the_same_and_holds_no_pickle(fitted, catalogue, tmp_path):
    fitted.ranker.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "situations.json",
        "state.safetensors",
    }
    again = Ranker.load(tmp_path, catalogue)
    np.testing.assert_array_equal(again.probabilities(fitted.test.pairs), fitted.probabilities)
