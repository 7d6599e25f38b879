import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import BundleError
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.anchors import find_anchors
from kinoloop.models.base import build
from kinoloop.ranking.config import GROUPS, RankerConfig
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.pairs import candidate_pairs
from kinoloop.ranking.ranker import Ranker
from kinoloop.ranking.rerank import Reranked, best_columns, choose_blend
from kinoloop.testing.toy import grown_catalogue, toy_catalogue
from kinoloop.training.ranker import WinnerData, moments_of, rank_winner
from tests.ranking.conftest import SMALL, TEST_FROM


@pytest.fixture(scope="module")
def split(windows):
    return temporal_split(windows.histories, validation_days=6, test_days=6)


@pytest.fixture(scope="module")
def popular(split, catalogue):
    return build({"kind": "popularity"}).fit(split.train, catalogue)


def row(*videos):
    return Histories.from_rows([[Interaction(v) for v in videos]])


def test_candidates_of_the_users_topic_come_first(fitted):
    candidates = np.arange(8, 28)[None]
    for topic in (0, 1):
        history = row(topic, topic + 2, topic + 4)
        ranked = fitted.ranker.rank(
            history, candidates, np.zeros((1, 20)), moments=np.array([TEST_FROM])
        )
        top = candidates[0][np.argsort(-ranked[0])[:8]]
        assert (top % 2 == topic).mean() >= 0.8


def test_a_batch_ranks_like_single_rows(fitted):
    histories = Histories.from_rows([[Interaction(0)], [], [Interaction(3), Interaction(5)]])
    candidates = np.array([[8, 9, 10], [11, 12, 13], [14, 15, 16]])
    retrieval = np.array([[3.0, 2, 1], [3, -np.inf, 1], [1, 1, 1]])
    moments = np.full(3, TEST_FROM)
    whole = fitted.ranker.rank(histories, candidates, retrieval, moments=moments)
    for u in range(3):
        part = slice(u, u + 1)
        single = fitted.ranker.rank(
            histories.rows(part), candidates[part], retrieval[part], moments=moments[part]
        )
        np.testing.assert_allclose(single[0], whole[u], rtol=1e-4, atol=1e-5)


def test_a_blend_of_one_keeps_the_order_of_retrieval(fitted, popular, split):
    scorer = Reranked(popular, fitted.ranker.with_blend(1.0), moment=TEST_FROM)
    plain, reranked = popular.score(split.test.histories), scorer.score(split.test.histories)
    for u in range(3):
        seen = split.test.histories.videos[split.test.histories.row(u)]
        plain[u, seen] = reranked[u, seen] = -np.inf
    for before, after in zip(plain[:3], reranked[:3], strict=True):
        best, kept = (best_columns(scores[None], 10)[0] for scores in (before, after))
        np.testing.assert_allclose(before[best], before[kept])


def test_reranking_helps_where_retrieval_knows_no_taste(fitted, popular, split):
    ranker, found = choose_blend(fitted.ranker, popular, split.validation)
    assert ranker.blend < 1
    assert found[ranker.blend] == max(found.values())
    plain = evaluate(popular, split.test).metrics["ndcg@10"]
    scorer = Reranked(popular, ranker, moment=TEST_FROM)
    assert evaluate(scorer, split.test).metrics["ndcg@10"] > 1.2 * plain


def test_only_the_best_of_retrieval_are_reordered(fitted, popular, split):
    scorer = Reranked(popular, fitted.ranker, moment=TEST_FROM)
    part = split.test.histories.rows(slice(0, 4))
    before, after = popular.score(part), scorer.score(part)
    before[part.row_of, part.videos] = after[part.row_of, part.videos] = -np.inf
    k = fitted.ranker.config.candidates
    for u in range(4):
        assert set(best_columns(after[[u]], k)[0]) == set(best_columns(before[[u]], k)[0])


def test_the_winner_gets_a_ranker_with_what_it_changes(windows, popular, split, fitted):
    data = WinnerData(split, windows.histories, windows.exposures)
    found = rank_winner(fitted.ranker.config, popular, data, seed=1)
    metrics = found.metrics
    assert metrics["blend"] == found.ranker.blend
    assert metrics["slates/ndcg@10"] > metrics["slates/ndcg@10_without"]
    assert {"test/auc", "test/log_loss", "test/ece", "validation/auc"} <= set(metrics)


def test_windows_begin_with_those_of_the_split(split, windows):
    validation, test = moments_of(split, windows.exposures)
    assert validation == split.validation.targets.timestamps.min()
    assert test == split.test.targets.timestamps.min()
    from kinoloop.evaluation.split import leave_one_out

    first, second = moments_of(leave_one_out(windows.histories), windows.exposures)
    assert (windows.exposures.timestamps < first).mean() == pytest.approx(0.8, abs=0.01)
    assert (windows.exposures.timestamps < second).mean() == pytest.approx(0.9, abs=0.01)


def test_videos_that_came_after_training_are_ranked_and_move_no_other(fitted, tmp_path):
    catalogue, new = grown_catalogue(5), np.arange(40, 44)
    watched = np.arange(40) % 7 != 6
    anchors = find_anchors(catalogue, np.arange(40, 45), eligible=watched)
    fitted.ranker.extended(catalogue, anchors).save(tmp_path)
    grown = Ranker.load(tmp_path, catalogue)
    candidates = np.arange(8, 28)[None]
    pairs = [
        candidate_pairs(row(0, 2, 4), videos, length=8, moments=np.array([TEST_FROM]))
        for videos in (candidates, new[None])
    ]
    np.testing.assert_allclose(
        grown.logits(pairs[0]), fitted.ranker.logits(pairs[0]), rtol=1e-4, atol=1e-5
    )
    wanted = grown.probabilities(pairs[1])
    assert np.isfinite(wanted).all()
    assert wanted[new % 2 == 0].mean() > wanted[new % 2 == 1].mean()
    met = candidate_pairs(row(41, 43), new[None], length=8, moments=np.array([TEST_FROM]))
    assert np.isfinite(grown.logits(met)).all()  # a history may hold them, too


def test_another_catalogue_is_refused(fitted, tmp_path):
    fitted.ranker.save(tmp_path)
    with pytest.raises(BundleError, match="fitted on 40 videos, got a catalogue of 41"):
        Ranker.load(tmp_path, toy_catalogue(41))


def test_one_history_is_ranked_as_many_are(windows, catalogue):
    config = RankerConfig(**{**SMALL, "groups": GROUPS, "epochs": 1})
    ranker = fit_ranker(config, windows, catalogue, seed=1).ranker
    rows = [[], [Interaction(0)], [Interaction(3, weight=-1.0), Interaction(5)],
            [Interaction(video, timestamp=video) for video in range(12)]]  # fmt: skip
    candidates = np.tile(np.arange(12, 40), (len(rows), 1))
    moments = np.full(len(rows), ranker.knowledge.counts.newest + 5)
    known = [{"surface": "home"}, {}, {"device": "tv"}, {"surface": "home", "device": "tv"}]
    histories, asked = Histories.from_rows(rows), (candidates, np.zeros(candidates.shape))
    many = ranker.rank(histories, *asked, moments=moments, situations=known)
    for row in range(len(rows)):
        part = slice(row, row + 1)
        found = ranker.rank(
            histories.rows(part), *(array[part] for array in asked), moments=moments[part],
            situations=known[part],
        )  # fmt: skip
        np.testing.assert_allclose(found[0], many[row], rtol=1e-5, atol=1e-5)
