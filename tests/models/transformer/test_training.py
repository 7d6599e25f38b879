import numpy as np
import pytest
import torch

from kinoloop.models.transformer.training import Negatives, Plan, _sampled_softmax, _warm_then_cool


def plan(**changes):
    defaults = {
        "epochs": 1,
        "patience": 1,
        "learning_rate": 1e-3,
        "warmup_share": 0.1,
        "weight_decay": 0.0,
        "negatives": 64,
        "negative_popularity": 0.5,
        "id_dropout": 0.0,
        "seed": 0,
    }
    return Plan(**{**defaults, **changes})


@pytest.fixture
def problem():
    torch.manual_seed(0)
    return torch.randn(6, 8), torch.randn(50, 8), torch.tensor([0, 7, 7, 20, 49, 3])


def full_softmax(h, videos, positive):
    return torch.nn.functional.cross_entropy(h @ videos.T, positive)


def test_all_videos_as_negatives_is_the_full_softmax(problem):
    h, videos, positive = problem
    negatives = Negatives(np.arange(1, 51), plan(negatives=50))
    drawn = torch.from_numpy(negatives.draw(np.random.default_rng(0)))
    loss = _sampled_softmax(
        h, videos, (positive, drawn, negatives.corrections[drawn]), torch.ones(6)
    )
    torch.testing.assert_close(loss, full_softmax(h, videos, positive))


@pytest.mark.parametrize("popularity", [0.0, 0.5, 1.0])
def test_corrected_negatives_approach_the_full_softmax_whatever_their_distribution(
    problem, popularity
):
    h, videos, positive = problem
    sampler = plan(negatives=49, negative_popularity=popularity)
    negatives = Negatives(np.arange(1, 51) ** 2, sampler)
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(np.concatenate([negatives.draw(rng) for _ in range(3000)]))
    corrections = negatives.corrections[drawn] + np.log(3000)
    loss = _sampled_softmax(h, videos, (positive, drawn, corrections), torch.ones(6))
    torch.testing.assert_close(loss, full_softmax(h, videos, positive), rtol=0.05, atol=0.02)


def test_a_position_of_no_interest_adds_nothing(problem):
    h, videos, positive = problem
    sampled = (positive, torch.arange(50), torch.zeros(50))
    weight = torch.tensor([1.0, 1, 1, 1, 1, 0])
    alone = _sampled_softmax(h[:5], videos, (positive[:5], *sampled[1:]), weight[:5])
    torch.testing.assert_close(_sampled_softmax(h, videos, sampled, weight), alone)


def test_the_learning_rate_rises_then_falls_to_a_tenth():
    factor = _warm_then_cool(100, plan())
    values = [factor(step) for step in range(101)]
    assert values[0] == pytest.approx(0.1)
    assert max(values) == pytest.approx(1.0)
    assert values[-1] == pytest.approx(0.1)
    assert np.argmax(values) in {9, 10}


@pytest.mark.parametrize("negatives", [2, 50])
def test_a_video_nobody_has_watched_is_no_negative(negatives):
    counts = np.array([3, 0, 5, 0, 1])
    sampler = Negatives(counts, plan(negatives=negatives))
    rng = np.random.default_rng(0)
    drawn = np.concatenate([sampler.draw(rng) for _ in range(50)])
    assert set(drawn) == {0, 2, 4}
    assert np.isfinite(sampler.corrections.numpy()).all()
