import numpy as np

from kinoloop.semantics.asking import choose, uncertainty_of_facet, uncertainty_of_label


def test_a_label_near_one_half_is_uncertain():
    found = uncertainty_of_label(np.array([0.0, 0.5, 0.9], np.float32))
    assert np.allclose(found, [0, 1, 0.2])


def test_a_facet_is_uncertain_where_the_two_likeliest_answers_are_close():
    scores = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.0, 0.0]], np.float32)
    found = uncertainty_of_facet(scores, many=False)  # none is an answer: the third has .5 of it
    assert np.allclose(found, [1, 0, 1])
    assert np.allclose(uncertainty_of_facet(scores, many=True), [1, 0, 1])


def test_chosen_videos_are_uncertain_and_apart():
    kinds = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    rng = np.random.default_rng(0)
    vectors = kinds + rng.normal(0, 0.01, kinds.shape).astype(np.float32)
    uncertain = np.tile(np.linspace(0.5, 1.0, 10, dtype=np.float32), 4)
    uncertain[:10] += 0.2  # ten of one kind are the most uncertain
    chosen = choose(uncertain, vectors, 4)
    assert len(set(chosen.tolist())) == 4
    assert len({int(row) // 10 for row in chosen}) > 1
    assert chosen[0] == 9
    assert sorted(choose(uncertain, vectors, 100).tolist()) == list(range(40))
