import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.popularity import Popularity, PopularityConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue

DAY_US = 86_400_000_000


class TestPopularity(RecommenderContract):
    recommender = Popularity
    asks_by_vector = True
    beats_popularity = False


def test_an_event_one_half_life_old_counts_half():
    rows = [[Interaction(1, timestamp=0), Interaction(2, timestamp=7 * DAY_US)]]
    model = Popularity(PopularityConfig()).fit(Histories.from_rows(rows), toy_catalogue())
    assert model.prior[1] / model.prior[2] == np.float32(0.5)


def test_dislikes_do_not_make_popular():
    rows = [[Interaction(1, weight=-2.0), Interaction(2)]]
    model = Popularity(PopularityConfig()).fit(Histories.from_rows(rows), toy_catalogue())
    assert model.prior[1] == 0
