import dataclasses

import numpy as np
import torch

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.matching.config import TwoTowerConfig
from kinoloop.models.matching.positions import Batch, Positions
from kinoloop.models.matching.towers import Towers
from kinoloop.models.two_tower import TwoTower
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import BARE_VIDEO, COLD_VIDEO, toy_catalogue, toy_histories

SMALL = {
    "dim": 8,
    "hidden": 16,
    "epochs": 8,
    "batch_size": 64,
    "learning_rate": 0.01,
    "negatives": 16,
}


class TestTwoTower(RecommenderContract):
    recommender = TwoTower
    asks_by_vector = True
    settings = SMALL


def fit(catalogue=None, **settings):
    model = TwoTower(TwoTower.Config(**{**SMALL, **settings}))
    return model.fit(toy_histories(toy_catalogue()), catalogue or toy_catalogue())


def towers(**settings):
    torch.manual_seed(0)
    catalogue = toy_catalogue()
    watched = np.arange(len(catalogue)) != COLD_VIDEO
    network = Towers(catalogue, watched, config=TwoTowerConfig(**{**SMALL, **settings}))
    for tower in (network.history, network.video):
        torch.nn.init.normal_(tower.second.weight, std=0.3)
    return network


def test_the_network_and_the_arrays_agree():
    network = towers().eval()
    model = fit(epochs=1)
    model._restore(network.arrays())
    row = Histories.from_rows([[Interaction(3), Interaction(8, weight=-0.5), Interaction(5)]])
    fused = network.videos(torch.arange(40))
    profile = network.profile(fused[torch.tensor([[5, 8, 3]])], torch.tensor([[1, -0.4, 0.64]]))
    expected = (network.history(profile) @ network.video(fused).T).detach().numpy()
    np.testing.assert_allclose(model.score(row), expected + 1e-4 * model.prior, atol=1e-5)


def test_the_loss_is_the_softmax_over_what_is_compared_corrected_by_log_q():
    config = TwoTowerConfig(**{**SMALL, "dropout": 0.0, "id_dropout": 0.0})
    network = towers(dropout=0.0, id_dropout=0.0)
    histories = toy_histories(toy_catalogue())
    positions = Positions(histories, 40, config=config, warm=None)
    batch = Batch(
        np.array([[0, 2], [1, 3], [4, 0]]),
        np.array([[1, 0.8], [1, 0.8], [1, 0]], dtype=np.float32),
        np.array([4, 5, 4]),
    )
    drawn = np.array([5, 9, 9, 10])
    loss = float(network.loss(batch, drawn, positions).detach())

    fused = network.videos(torch.arange(40))
    profile = network.profile(
        fused[torch.from_numpy(batch.videos)], torch.from_numpy(batch.weights)
    )
    logits = (
        (network.history(profile) @ network.video(fused).T / config.temperature).detach().numpy()
    )
    after = np.arange(len(histories.videos)) > histories.offsets[:-1][histories.row_of]
    liked = np.bincount(histories.videos[after & (histories.weights > 0)], minlength=40)
    watched = np.bincount(histories.videos, minlength=40) > 0
    met = 3 * liked / liked.sum() + 16 * watched / watched.sum()
    met_in_step = {4: 2, 5: 2, 9: 2, 10: 1}  # as target or drawn
    total = 0.0
    for row, target in enumerate(batch.targets):
        others = sum(
            times * np.exp(logits[row, video]) / met[video]
            for video, times in met_in_step.items()
            if video != target
        )
        own = np.exp(logits[row, target])
        total -= np.log(own / (own + others))
    np.testing.assert_allclose(loss, total / 3, rtol=1e-4)


def test_a_video_nobody_has_watched_is_scored_by_its_content():
    scores = fit().score(Histories.from_rows([[Interaction(0), Interaction(2)]]))[0]
    assert scores[COLD_VIDEO] > np.median(scores)


def test_a_catalogue_without_vectors_is_learned_by_ids():
    model = fit(dataclasses.replace(toy_catalogue(), modalities={}), epochs=20)
    scores = model.score(Histories.from_rows([[Interaction(0), Interaction(2)]]))[0]
    watched = np.setdiff1d(np.arange(4, 40), [COLD_VIDEO])
    assert scores[watched[watched % 2 == 0]].mean() > scores[watched[watched % 2 == 1]].mean()


def test_an_id_is_dropped_only_where_content_speaks_for_the_video():
    network = towers(id_dropout=0.999999)
    index = torch.arange(40)
    named = network.watched[index] & ~network.has_content[index]
    assert named.nonzero().flatten().tolist() == [BARE_VIDEO]
    np.testing.assert_array_equal(
        network.videos(torch.tensor([COLD_VIDEO])).detach(),
        (network.content(torch.tensor([COLD_VIDEO])) + network.unseen).detach(),
    )


def test_validation_keeps_the_best_epoch_and_says_which():
    class Validation:
        def __init__(self):
            self.values, self.heard = iter([0.1, 0.5, 0.2, 0.3]), []

        def ndcg(self, score, *, max_rows):
            self.heard.append(score(Histories.from_rows([[Interaction(0)]])))
            return next(self.values)

    validation = Validation()
    settings = {**SMALL, "patience": 2, "prior_half_life_days": 14}
    model = TwoTower(TwoTower.Config(**settings))
    model.fit(toy_histories(toy_catalogue()), toy_catalogue(), validation=validation)
    assert model.best_epoch == 2
    found = model.score(Histories.from_rows([[Interaction(0)]]))
    np.testing.assert_array_equal(found, validation.heard[1])
