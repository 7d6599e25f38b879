import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.neighbours import Neighbours
from kinoloop.ranking.config import GROUPS
from kinoloop.ranking.counts import DailyCounts
from kinoloop.ranking.features import Features, Knowledge
from kinoloop.ranking.pairs import candidate_pairs, exposed_pairs
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import BARE_VIDEO


@pytest.fixture(scope="module")
def knowledge(catalogue, windows):
    exposures = windows.exposures
    watched = windows.histories.matrix(len(catalogue))
    return Knowledge(
        catalogue=catalogue,
        prior=np.linspace(0, 1, 40).astype(np.float32),
        counts=DailyCounts.of(
            exposures.videos, exposures.timestamps, shown=exposures.shown,
            liked=exposures.happened("view"),
        ),
        neighbours=Neighbours.of(watched.T.tocsr(), top_n=30),
        decay=0.5,
    )  # fmt: skip


def asked(history, videos, knowledge, groups=GROUPS):
    pairs = candidate_pairs(
        Histories.from_rows([history]), np.array([videos]), length=5,
        moments=np.array([knowledge.counts.newest]),
    )  # fmt: skip
    names, table = Features(knowledge, groups).of(pairs)
    return dict(zip(names, table.T, strict=True))


def test_content_is_the_cosine_with_what_was_liked(knowledge):
    history = [Interaction(0), Interaction(3, weight=-1.0), Interaction(2)]
    found = asked(history, [4, BARE_VIDEO], knowledge)
    vectors = knowledge.catalogue.modalities["text"].vectors
    assert found["content.text_nearest"][0] == pytest.approx(
        max(vectors[4] @ vectors[0], vectors[4] @ vectors[2]), rel=1e-5
    )
    mean = (vectors[2] + 0.25 * vectors[0]) @ vectors[4] / 1.25
    assert found["content.text_mean"][0] == pytest.approx(mean, rel=1e-5)
    assert found["content.text_disliked"][0] == pytest.approx(
        max(vectors[4] @ vectors[3], 0), rel=1e-5, abs=1e-6
    )
    assert found["content.text_present"].tolist() == [1, 0]
    assert found["content.text_nearest"][1] == 0
    assert found["content.category_share"].tolist() == [1, 0]


def test_behaviour_is_the_score_of_item_knn(knowledge):
    history = [Interaction(0), Interaction(5), Interaction(2)]
    found = asked(history, [4, 9], knowledge)
    scores = knowledge.neighbours.score(Histories.from_rows([history]), decay=0.5)[0]
    np.testing.assert_allclose(found["behaviour.near"], scores[[4, 9]], rtol=1e-5)


def test_an_empty_history_has_features_too(knowledge):
    found = asked([], [4, 9], knowledge)
    assert all(np.isfinite(column).all() for column in found.values())
    assert found["user.length"].tolist() == [0, 0]


def test_groups_choose_columns_and_text_has_none(knowledge):
    assert asked([Interaction(0)], [4], knowledge, groups=("text",)) == {}
    names = asked([Interaction(0)], [4], knowledge, groups=("video", "user"))
    assert {name.split(".")[0] for name in names} == {"video", "user"}


def test_an_exposure_knows_nothing_of_what_came_after_it_began(catalogue):
    exposures, histories = toy_exposures(catalogue, 10)
    pairs = exposed_pairs(exposures, histories, length=6)
    for at in range(0, len(exposures), 37):
        user = exposures.user_ids[exposures.users[at]]
        row = histories.row(histories.user_ids.index(user))
        before = histories.timestamps[row] < exposures.timestamps[at]
        expected = histories.videos[row][before][::-1][:6].tolist()
        kept = pairs.interest[at] != 0
        assert pairs.history[at][kept].tolist() == expected
        assert pairs.lengths[at] == before.sum()


def test_picking_pairs_keeps_their_contexts(windows):
    pairs = exposed_pairs(windows.exposures, windows.histories, length=4)
    part = pairs.select(np.array([5, 9]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.history[part.contexts], pairs.history[[5, 9]])
    np.testing.assert_array_equal(part.videos, pairs.videos[[5, 9]])
