import numpy as np
import pytest

from kinoloop.semantics.heads import learn_category, learn_tags

N = 200
IDS = [f"v{i}" for i in range(N)]


def world(noise=0.3, classes=3):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, N)
    vectors = np.eye(classes, 8, dtype=np.float32)[truth]
    vectors = vectors + noise * rng.normal(size=vectors.shape)
    return vectors.astype(np.float32), [f"c{c}" for c in truth]


def test_a_head_learns_what_is_there_and_beats_the_base_rate():
    vectors, truth = world()
    head, report = learn_category(IDS, vectors, truth, min_videos=50, min_class=10)
    assert report.used
    assert report.macro_f1 > 0.9 > report.base_macro_f1
    assert report.videos + report.held_out == N
    scores = head.score(vectors)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert np.mean([head.classes[i] for i in scores.argmax(1)] == np.array(truth)) > 0.9


def test_two_categories_are_learned_too():
    vectors, truth = world(classes=2)
    head, report = learn_category(IDS, vectors, truth, min_videos=50, min_class=10)
    assert report.used
    said = [head.classes[i] for i in head.score(vectors).argmax(1)]
    assert np.mean(np.array(said) == np.array(truth)) > 0.9


def test_a_head_that_learned_nothing_is_not_used():
    vectors, truth = world()
    shuffled = list(np.random.default_rng(1).permutation(truth))
    _, report = learn_category(IDS, vectors, shuffled, min_videos=50, min_class=10)
    assert report.macro_f1 < 0.6
    shares = [shuffled.count(c) for c in set(shuffled)]
    assert report.base_micro_f1 == pytest.approx(max(shares) / N, abs=0.15)


def test_too_little_teaches_nothing():
    vectors, truth = world()
    assert learn_category(IDS, vectors, truth, min_videos=500, min_class=10) is None
    assert learn_category(IDS, vectors, ["one"] * N, min_videos=50, min_class=10) is None
    assert learn_category(IDS, vectors * 0, truth, min_videos=50, min_class=10) is None
    assert learn_tags(IDS, vectors, [None] * N, min_videos=50, min_class=10) == []


def test_each_tag_has_a_head_of_its_own():
    vectors, truth = world()
    tags = [[c, " Always"] + (["rare"] if i < 3 else []) for i, c in enumerate(truth)]
    heads = learn_tags(IDS, vectors, tags, min_videos=50, min_class=10)
    assert [head.classes for head, _ in heads] == [("c0",), ("c1",), ("c2",)]
    for head, report in heads:
        assert report.used
        assert report.base_micro_f1 < report.micro_f1
        said = head.score(vectors)[:, 0] > 0.5
        assert np.mean(said == (np.array(truth) == head.classes[0])) > 0.9
