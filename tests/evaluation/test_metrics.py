"""Metrics against hand-made tables, scikit-learn and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from kinoloop.data.catalogue import Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.evaluation.metrics.average_precision import average_precision
from kinoloop.evaluation.metrics.coverage import coverage
from kinoloop.evaluation.metrics.diversity import diversity
from kinoloop.evaluation.metrics.mrr import mrr
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.metrics.novelty import novelty
from kinoloop.evaluation.metrics.recall import hit_rate, recall
from kinoloop.evaluation.ranks import MISSED, Ranks, rank_targets


def ranks_of(*rows):
    lengths = [0, *(len(row) for row in rows)]
    return Ranks(np.cumsum(lengths), np.array([r for row in rows for r in row], dtype=np.int64))


N = 30
target_sets = st.lists(
    st.sets(st.integers(0, N - 1), min_size=1, max_size=8).map(sorted), min_size=1, max_size=6
)


def scored(targets, seed):
    """Random scores without ties and the ranks of the targets in them."""
    scores = np.random.default_rng(seed).permuted(
        np.tile(np.arange(N, dtype=np.float32), (len(targets), 1)), axis=1
    )
    empty = Histories.from_rows([[] for _ in targets])
    wanted = Histories.from_rows([[Interaction(v) for v in row] for row in targets])
    state = iter(range(len(targets)))

    def score(histories):
        rows = [next(state) for _ in range(len(histories))]
        return scores[rows].copy()

    truth = np.zeros_like(scores)
    for row, videos in enumerate(targets):
        truth[row, videos] = 1
    return scores, truth, rank_targets(score, empty, wanted)


@settings(max_examples=50, deadline=None)
@given(target_sets, st.integers(0, 9), st.sampled_from([1, 3, 10, N]))
def test_ndcg_equals_scikit_learn(targets, seed, k):
    scores, truth, ranks = scored(targets, seed)
    expected = [ndcg_score(truth[[u]], scores[[u]], k=k) for u in range(len(targets))]
    np.testing.assert_allclose(ndcg(ranks, k=k), expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(target_sets, st.integers(0, 9))
def test_average_precision_without_a_cut_equals_scikit_learn(targets, seed):
    scores, truth, ranks = scored(targets, seed)
    expected = [average_precision_score(truth[u], scores[u]) for u in range(len(targets))]
    np.testing.assert_allclose(average_precision(ranks, k=N), expected, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(target_sets, st.integers(0, 9), st.integers(1, N - 1))
def test_metrics_are_shares_that_grow_with_recall_and_agree_on_misses(targets, seed, k):
    _, _, ranks = scored(targets, seed)
    for metric in (ndcg, recall, hit_rate, mrr, average_precision):
        values = metric(ranks, k=k)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
        np.testing.assert_array_equal(values > 0, hit_rate(ranks, k=k) > 0)
    assert (recall(ranks, k=k) <= recall(ranks, k=k + 1)).all()
    assert (mrr(ranks, k=k) <= hit_rate(ranks, k=k)).all()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (ndcg, [1.0, 1 / np.log2(4), 0.0, (1 + 0.5) / (1 + 1 / np.log2(3))]),
        (recall, [1.0, 1.0, 0.0, 1.0]),
        (hit_rate, [1.0, 1.0, 0.0, 1.0]),
        (mrr, [1.0, 1 / 3, 0.0, 1.0]),
        (average_precision, [1.0, 1 / 3, 0.0, (1 + 2 / 3) / 2]),
    ],
)
def test_hand_made_table(metric, expected):
    ranks = ranks_of([1], [3], [MISSED], [3, 1])
    np.testing.assert_allclose(metric(ranks, k=3), expected)


@pytest.mark.parametrize("metric", [ndcg, recall, hit_rate, mrr, average_precision])
def test_a_row_without_targets_has_zero(metric):
    np.testing.assert_array_equal(metric(ranks_of([], [1]), k=5), [0.0, 1.0])


def test_coverage_counts_each_video_once():
    assert coverage(np.array([[0, 1], [0, 1]]), n_videos=8) == 0.25


def test_novelty_of_a_video_nobody_watched_is_finite_and_highest():
    values = novelty(np.array([[0], [1]]), counts=np.array([0, 98]))
    np.testing.assert_allclose(values, [np.log2(100), np.log2(100 / 99)])


def test_diversity_leaves_out_what_has_no_vector():
    vectors = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)
    modality = Modality(vectors, np.array([True, True, False]), "")
    values = diversity(np.array([[0, 1, 2], [0, 2, 2]]), modality)
    assert values[0] == 1.0
    assert np.isnan(values[1])


def test_diversity_does_not_change_with_how_rows_are_cut(monkeypatch):
    rng = np.random.default_rng(0)
    modality = Modality(rng.standard_normal((9, 4)).astype(np.float32), np.ones(9, bool), "")
    slates = rng.integers(0, 9, size=(7, 3))
    whole = diversity(slates, modality)
    monkeypatch.setattr("kinoloop.evaluation.metrics.diversity.CHUNK_CELLS", 24)
    np.testing.assert_allclose(diversity(slates, modality), whole)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(2, 6))
def test_diversity_equals_the_mean_over_pairs(seed, k):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    slate = rng.choice(12, size=k, replace=False)
    pairs = [1 - vectors[i] @ vectors[j] for i in slate for j in slate if i != j]
    modality = Modality(vectors.astype(np.float32), np.ones(12, dtype=bool), "")
    np.testing.assert_allclose(diversity(slate[None], modality), np.mean(pairs), atol=1e-5)
