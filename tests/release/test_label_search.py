import numpy as np
import polars as pl
import pytest

from kinoloop.data.video_text import texts_of
from kinoloop.release.bundle import SEARCHED, write_bundle
from kinoloop.release.label_search import LabelSearch
from kinoloop.release.release import Release
from kinoloop.schema import LABELS
from tests.release import tiny

NAMES = ["calm", "nature"]


def labels(*rows, facet="topic"):
    full = [
        [{"facet": facet, "label": label, "score": s, "evidence": "words"} for label, s in row]
        for row in rows
    ]
    return pl.Series("labels", full, dtype=LABELS["labels"])


def encode(texts):
    """Each label has a direction of its own."""
    axes = {"calm": [1, 0, 0], "nature": [0, 1, 0]}
    return np.array([axes.get(text, [0, 0, 1]) for text in texts], dtype=np.float32)


def test_labels_near_the_query_count_by_their_score():
    search = LabelSearch(labels([("calm", 0.9), ("nature", 0.8)], [("calm", 0.5)], []), 3)
    both = np.array([0.8, 0.6, 0], dtype=np.float32)
    scores = search.score(both, encode)
    assert scores[0] > scores[1] > scores[2] == 0
    assert search.score(np.array([0, 0, 1], dtype=np.float32), encode).tolist() == [0, 0, 0]


def test_names_are_encoded_once():
    asked = []

    def counted(texts):
        asked.append(texts)
        return encode(texts)

    search = LabelSearch(labels([("calm", 0.9)]), 1)
    for _ in range(2):
        search.score(np.array([1, 0, 0], dtype=np.float32), counted)
    assert asked == [["calm"]]


def test_a_catalogue_without_labels_scores_nothing():
    query = np.array([1, 0, 0], dtype=np.float32)
    for column in (None, labels([], [])):
        search = LabelSearch(column, 2)
        assert search.score(query, encode).tolist() == [0, 0]
        assert search.nearest_shown(query, encode).tolist() == [0, 0]


def test_the_nearest_thing_that_a_video_shows_counts_whatever_else_it_shows():
    both = np.array([0.8, 0.6, 0], dtype=np.float32)
    rows = ([("calm", 0.4), ("nature", 0.9)], [("nature", 0.4)], [], [("else", 0.9)])
    shown = LabelSearch(labels(*rows, facet="shows"), 4).nearest_shown(both, encode)
    np.testing.assert_allclose(shown, [0.8, 0.6, 0, 0], atol=1e-6)
    against = np.array([-1, 0, 0], dtype=np.float32)
    assert LabelSearch(labels(*rows, facet="shows"), 4).nearest_shown(against, encode).max() == 0
    assert LabelSearch(labels(*rows), 4).nearest_shown(both, encode).tolist() == [0] * 4


@pytest.fixture
def labelled():
    """The last video has no title: only its labels and free tags can find it."""
    catalogue = tiny.catalogue()
    n = len(catalogue)
    videos = catalogue.videos.with_columns(
        labels(*[[]] * (n - 1), [("calm", 0.8), ("nature", 0.7)]),
        pl.Series("free_tags", [[]] * (n - 1) + [["brook"]], dtype=pl.List(pl.String)),
    )
    return type(catalogue)(catalogue.ids, catalogue.published_at, videos, catalogue.modalities)


def test_labels_and_free_tags_are_searched_as_words(tmp_path, labelled):
    assert texts_of(labelled.videos, SEARCHED)[-1] == "calm, nature. brook"
    write_bundle(
        tmp_path / "bundle",
        recommender=tiny.fitted(labelled),
        catalogue=labelled,
        histories=tiny.histories(),
    )
    release = Release.open(tmp_path / "bundle")
    release.check()
    for query in ("calm nature", "brook"):
        assert release.search(query, top_k=1)[0].video_id == "v7"
    row = release.catalogue.videos.row(7, named=True)
    assert [one["label"] for one in row["labels"]] == ["calm", "nature"]
