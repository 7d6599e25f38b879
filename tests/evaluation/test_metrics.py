"""Metrics against hand-made tables, scikit-learn and properties."""

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from kinoloop.data.catalogue import Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import DataError
from kinoloop.evaluation.metrics.auc import rank_auc, roc_auc
from kinoloop.evaluation.metrics.average_precision import average_precision
from kinoloop.evaluation.metrics.calibration import calibration_error, reliability
from kinoloop.evaluation.metrics.coverage import coverage
from kinoloop.evaluation.metrics.diversity import diversity
from kinoloop.evaluation.metrics.log_loss import log_loss
from kinoloop.evaluation.metrics.mrr import mrr
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.metrics.novelty import novelty
from kinoloop.evaluation.metrics.popularity_bias import popularity, popularity_lift
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


@settings(max_examples=30, deadline=None)
@given(target_sets, st.integers(0, 9), st.sampled_from([3, 10]))
def test_ranking_metrics_equal_trec_eval(targets, seed, k):
    scores, _, ranks = scored(targets, seed)
    rows = range(len(targets))
    wanted = {str(u): {str(v): 1 for v in targets[u]} for u in rows}
    run = {str(u): {str(v): float(scores[u, v]) for v in range(N)} for u in rows}
    measures = {f"{name}.{k}" for name in ("ndcg_cut", "recall", "map_cut")} | {"recip_rank"}
    found = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(run)
    for ours, theirs in (
        (ndcg(ranks, k=k), f"ndcg_cut_{k}"),
        (recall(ranks, k=k), f"recall_{k}"),
        (mrr(ranks, k=N), "recip_rank"),
    ):
        np.testing.assert_allclose(ours, [found[str(u)][theirs] for u in rows], atol=1e-6)
    # trec_eval divides by all targets, we by those that fit into k
    scale = [len(targets[u]) / min(len(targets[u]), k) for u in rows]
    expected = [found[str(u)][f"map_cut_{k}"] * scale[u] for u in rows]
    np.testing.assert_allclose(average_precision(ranks, k=k), expected, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(target_sets, st.integers(0, 9))
def test_auc_of_a_full_ranking_equals_scikit_learn(targets, seed):
    scores, truth, ranks = scored(targets, seed)
    expected = [roc_auc_score(truth[u], scores[u]) for u in range(len(targets))]
    found = rank_auc(ranks, np.full(len(targets), N))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_auc_of_a_missed_target_is_zero_and_of_no_target_a_coin():
    found = rank_auc(ranks_of([MISSED], [], [1]), np.array([9, 9, 1]))
    np.testing.assert_array_equal(found, [0.0, 0.5, 0.5])


labelled = st.tuples(st.integers(0, 999), st.integers(5, 60), st.booleans())


def _labelled(seed, n, coarse):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    labels[:2] = [True, False]
    p = rng.random(n)
    return labels, p.round(1) if coarse else p


@settings(max_examples=50, deadline=None)
@given(labelled)
def test_auc_and_log_loss_of_probabilities_equal_scikit_learn(case):
    labels, p = _labelled(*case)
    assert roc_auc(labels, p) == pytest.approx(roc_auc_score(labels, p), abs=1e-9)
    inside = np.clip(p, 1e-6, 1 - 1e-6)
    assert log_loss(labels, inside) == pytest.approx(sklearn_log_loss(labels, inside), abs=1e-6)


def test_auc_with_one_label_is_refused():
    with pytest.raises(DataError, match="AUC needs both labels, got 2 positive and 0 negative"):
        roc_auc([1, 1], [0.1, 0.2])


@settings(max_examples=50, deadline=None)
@given(labelled, st.integers(1, 20))
def test_calibration_error_equals_its_definition(case, bins):
    labels, p = _labelled(*case)
    edges = np.arange(1, bins) / bins
    at = np.searchsorted(edges, p, side="right")
    expected = sum(
        (at == b).mean() * abs(p[at == b].mean() - labels[at == b].mean()) for b in np.unique(at)
    )
    # an edge may fall to either side by rounding: compare where no prediction lies on one
    if not len(edges) or np.abs(p[:, None] - edges).min() > 1e-9:
        assert calibration_error(labels, p, bins=bins) == pytest.approx(expected, abs=1e-9)
    assert reliability(labels, p, bins=bins)[:, 2].sum() == len(p)


def test_calibration_error_of_nothing_is_zero():
    assert calibration_error([], []) == 0.0


def test_what_is_predicted_as_often_as_it_happens_is_calibrated():
    labels = np.tile([1, 0, 0, 0], 50)
    assert calibration_error(labels, np.full(200, 0.25)) == pytest.approx(0)
    assert calibration_error(labels, np.full(200, 0.75)) == pytest.approx(0.5)


def test_popularity_lift_is_zero_for_what_users_watch_and_positive_for_hits():
    counts = np.array([9, 3, 3, 1])
    watched = Histories.from_rows([[Interaction(1)], [Interaction(2)], []])
    assert popularity_lift(np.array([[1], [2], [0]]), watched, counts) == 0
    assert popularity_lift(np.array([[0], [0], [0]]), watched, counts) == 2
    assert popularity(np.array([[0, 1]]), counts) == pytest.approx([(1 + 1 / 3) / 2])
    nobody = Histories.from_rows([[]])
    assert np.isnan(popularity_lift(np.array([[0]]), nobody, counts))
