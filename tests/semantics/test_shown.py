import numpy as np

from kinoloop.semantics.shown import shown


class Said:
    """Three words: a name, a kind of half of all names, and nothing."""

    words = ("husky", "animal", "spoon")
    chance = np.array([0.001, 0.5, 0.001], np.float32)

    def score(self, vectors):
        return vectors


def test_a_kind_of_many_names_needs_more_than_a_name():
    scores = np.array([[0.4, 0.6, 0.0], [0.2, 0.7, 0.36]], np.float32)
    found = {(one.row, one.word) for one in shown(Said(), scores, min_score=0.35)}
    assert found == {(0, "husky"), (1, "animal"), (1, "spoon")}


def test_a_zero_row_shows_nothing():
    assert not list(shown(Said(), np.zeros((2, 3), np.float32), min_score=0.35))
