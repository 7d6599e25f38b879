import numpy as np
import pytest

from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.schema import DAY_US
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue

SMALL = {
    "groups": ("content", "behaviour", "popularity", "user", "video", "context", "situation"),
    "epochs": 8,
    "hidden": 16, "batch_size": 128, "learning_rate": 0.01, "length": 8, "candidates": 20,
    "label": {"watch": "view"},
}  # fmt: skip
VALIDATION_FROM, TEST_FROM = START_US + 18 * DAY_US, START_US + 24 * DAY_US


@pytest.fixture(scope="session")
def catalogue():
    return toy_catalogue()


@pytest.fixture(scope="session")
def windows(catalogue):
    exposures, histories = toy_exposures(catalogue)
    return RankerData(exposures, histories, VALIDATION_FROM, TEST_FROM)


@pytest.fixture(scope="session")
def fitted(windows, catalogue):
    return fit_ranker(RankerConfig(**SMALL), windows, catalogue, seed=1)


@pytest.fixture(autouse=True)
def no_text_model(monkeypatch):
    """Words as vectors of the toy world's topics: reading them has tests of its own."""
    import kinoloop.ranking.fitting as fitting

    def vectors(catalogue, model, texts):
        return np.asarray(catalogue.modalities["text"].vectors)

    monkeypatch.setattr(fitting, "text_vectors", vectors)
