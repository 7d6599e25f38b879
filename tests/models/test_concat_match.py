import dataclasses

import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.concat_match import ConcatMatch
from kinoloop.models.matching.network import Matcher
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import COLD_VIDEO, toy_catalogue, toy_histories

SMALL = {"dim": 8, "hidden": 16, "epochs": 6, "batch_size": 64, "learning_rate": 0.01}


class TestConcatMatch(RecommenderContract):
    recommender = ConcatMatch
    settings = SMALL


def fit(catalogue=None, **settings):
    catalogue = catalogue or toy_catalogue()
    model = ConcatMatch(ConcatMatch.Config(**{**SMALL, **settings}))
    return model.fit(toy_histories(toy_catalogue()), catalogue)


def test_scores_are_the_cosine_of_profile_and_answer():
    model = fit(epochs=1)
    weights = model._state()
    row = Histories.from_rows([[Interaction(0), Interaction(2)]])
    profile = 0.8 * weights["videos"][0] + weights["videos"][2]
    profile /= np.linalg.norm(profile)
    hidden = weights["first_profile"] @ profile + weights["first_video"] @ weights["videos"][9]
    answer = weights["second"] @ np.maximum(hidden + weights["first_bias"], 0)
    answer += weights["second_bias"]
    expected = profile @ answer / np.linalg.norm(answer)
    assert abs(model.score(row)[0, 9] - expected - 1e-4 * model.prior[9]) < 1e-5


def test_the_network_and_the_arrays_agree():
    import torch

    torch.manual_seed(0)
    catalogue = toy_catalogue()
    network = Matcher(catalogue.modalities, len(catalogue), dim=8, hidden=16)
    model = fit(epochs=1)
    model._restore(network.arrays())
    row = Histories.from_rows([[Interaction(3)]])
    fused = network.videos(torch.arange(len(catalogue)))
    profile = network.profile(fused[torch.tensor([[3]])], torch.ones(1, 1))
    expected = network.match(profile, fused[None]).detach().numpy()
    np.testing.assert_allclose(model.score(row), expected + 1e-4 * model.prior, atol=1e-5)


def test_a_video_nobody_has_watched_is_scored_by_its_content():
    scores = fit().score(Histories.from_rows([[Interaction(0), Interaction(2)]]))[0]
    assert scores[COLD_VIDEO] > np.median(scores)


def test_a_catalogue_without_vectors_falls_to_the_prior():
    model = fit(dataclasses.replace(toy_catalogue(), modalities={}))
    scores = model.score(Histories.from_rows([[Interaction(0)]]))[0]
    assert scores.argmax() == model.prior.argmax()


def test_scores_do_not_change_with_how_videos_are_cut(monkeypatch):
    model = fit(epochs=1)
    rows = toy_histories(toy_catalogue()).rows(slice(0, 3))
    whole = model.score(rows)
    monkeypatch.setattr("kinoloop.models.concat_match.CHUNK_CELLS", 1)
    np.testing.assert_allclose(model.score(rows), whole, atol=1e-6)


def test_validation_keeps_the_best_epoch():
    heard = []

    class Validation:
        def __init__(self):
            self.values = iter([0.1, 0.5, 0.2, 0.3])

        def ndcg(self, score, *, max_rows):
            heard.append(score(Histories.from_rows([[Interaction(0)]])))
            return next(self.values)

    model = ConcatMatch(ConcatMatch.Config(**SMALL | {"patience": 2, "prior_half_life_days": 14}))
    model.fit(toy_histories(toy_catalogue()), toy_catalogue(), validation=Validation())
    assert len(heard) == 4
    np.testing.assert_array_equal(model.score(Histories.from_rows([[Interaction(0)]])), heard[1])
