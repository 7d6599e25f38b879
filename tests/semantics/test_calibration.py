import numpy as np
import pytest

from kinoloop.encoders import base
from kinoloop.semantics.calibration import Calibration, distances, fit
from kinoloop.semantics.channels import words_channel
from kinoloop.semantics.label_file import Facet, read_labels
from tests.semantics.test_nothing import NOTHING


def test_distances_are_to_none_and_to_the_best_other_label():
    to_none, to_rival = distances(np.array([[3.0, 1.0, 0.0]]), np.array([0.5]))
    assert to_none.tolist() == [[2.5, 0.5, -0.5]]
    assert to_rival.tolist() == [[2.0, -2.0, -3.0]]
    assert distances(np.array([[2.0]]), np.array([0.5]))[1].tolist() == [[1.5]]


def test_fitted_probability_is_the_share_that_is_right():
    rng = np.random.default_rng(0)
    logits, none = rng.normal(0, 3, (4000, 3)), rng.normal(0, 1, 4000)
    known = Calibration(none=0.8, rival=0.5, bias=-1.0)
    truth = rng.random((4000, 3)) < known.score(logits, none)
    found = fit([(logits[:2000], none[:2000], truth[:2000])])
    said = found.score(logits[2000:], none[2000:])
    for low in (0.1, 0.4, 0.7):
        near = (said >= low) & (said < low + 0.2)
        assert truth[2000:][near].mean() == pytest.approx(said[near].mean(), abs=0.06)


@pytest.fixture(scope="module")
def minilm():
    return base.build({"kind": "minilm"})


@pytest.fixture(scope="module")
def channel(minilm):
    own = Facet("topic", {"knots": ("tie a knot", "ropes")}, ("a video",), many=False)
    return words_channel([*read_labels().facets, Facet("mine", own.labels, own.none, many=True)],
                         minilm)  # fmt: skip


def test_true_titles_keep_their_label_and_others_get_none(minilm, channel):
    topic = channel.facets["topic"]
    titles = {
        "My cat discovers snow for the first time": "animals",
        "Throwing a tall vase on the wheel": "arts and crafts",
        "The Sicilian Dragon explained": "board games",
        "20 minute core workout": "fitness",
        "Tornado touches down in Kansas": "weather",
    }
    scores = topic.score(minilm.encode_text(list(titles)))
    assert [topic.labels[j] for j in scores.argmax(axis=1)] == list(titles.values())
    assert (scores.max(axis=1) > 0.4).all()
    assert (scores.sum(axis=1) <= 1 + 1e-5).all()
    assert topic.score(minilm.encode_text(["You will see", "It is here"])).max() < 0.4


def test_words_that_say_nothing_would_be_labelled_without_the_rule(minilm, channel):
    """What the rule is for: an encoder puts some of these titles near a label."""
    vectors = minilm.encode_text(NOTHING)
    given = [(channel.facets[f].score(vectors) >= 0.4).any(axis=1) for f in ("topic", "style")]
    assert np.any(given, axis=0).sum() > 0


def test_a_facet_of_ones_own_is_calibrated_too(minilm, channel):
    scores = channel.facets["mine"].score(
        minilm.encode_text(["How to tie knots in a rope", "Soup"])
    )
    assert scores[0, 0] > 0.9 > scores[1, 0]
