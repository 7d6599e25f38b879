import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from kinoloop.models.transformer import losses
from kinoloop.models.transformer.losses import Compared, gbce_beta, gbce_loss, softmax_loss
from kinoloop.models.transformer.negatives import Negatives

POSITIVE = torch.tensor([0, 7, 7, 20, 49, 3])
WEIGHT = torch.tensor([0.1, 0.2, 0.1, 0.3, 0.1, 0.2])


def problem():
    torch.manual_seed(0)
    return torch.randn(6, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)


def compared(negatives, correction):
    negatives = torch.as_tensor(negatives)
    clash = torch.nonzero(POSITIVE[:, None] == negatives, as_tuple=True)
    return Compared(POSITIVE, negatives, torch.as_tensor(correction), clash)


def gradients(loss, *inputs):
    return torch.autograd.grad(2 * loss, inputs)


@pytest.mark.parametrize("cells", [1, 120, 2**18])
def test_all_videos_are_the_full_softmax_in_blocks_of_any_size(cells, monkeypatch):
    monkeypatch.setitem(losses.BLOCK_CELLS, "cpu", cells)
    h, videos = problem()
    found = softmax_loss(h, videos, compared(range(50), np.zeros(50, np.float32)), WEIGHT)
    expected = (WEIGHT * cross_entropy(h @ videos.T, POSITIVE, reduction="none")).sum()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(found, h, videos), gradients(expected, h, videos))


@pytest.mark.parametrize("popularity", [0.0, 0.5, 1.0])
def test_corrected_draws_approach_the_full_softmax_whatever_their_distribution(popularity):
    h, videos = problem()
    drawn = Negatives(np.arange(1, 51) ** 2, number=49, popularity=popularity, softmax=True)
    rng = np.random.default_rng(0)
    sums = torch.zeros(6)
    with torch.no_grad():
        for _ in range(3000):
            negatives, correction = drawn.draw(rng)
            logits = h @ videos[negatives].T - torch.from_numpy(correction)
            logits[POSITIVE[:, None] == torch.from_numpy(negatives)] = -torch.inf
            sums += logits.exp().sum(dim=1) / 3000
        everything = (h @ videos.T).exp()
        others = everything.sum(dim=1) - everything[range(6), POSITIVE]
    torch.testing.assert_close(sums, others, rtol=0.05, atol=0.0)


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_gbce_is_binary_cross_entropy_with_a_softened_positive(beta):
    h, videos = problem()
    negatives, times = torch.tensor([2, 7, 11, 40]), torch.tensor([1.0, 2, 1, 3])
    found = gbce_loss(h, videos, compared(negatives, times.log()), WEIGHT, beta=beta)
    own, other = (h * videos[POSITIVE]).sum(1), h @ videos[negatives].T
    unlike = binary_cross_entropy_with_logits(other, torch.zeros_like(other), reduction="none")
    unlike = unlike * (POSITIVE[:, None] != negatives) * times
    positive = -beta * torch.nn.functional.logsigmoid(own)
    expected = (WEIGHT * (positive + unlike.sum(1)) / 8).sum()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(found, h, videos), gradients(expected, h, videos))


def test_gbce_without_calibration_is_bce():
    assert gbce_beta(0.01, 0.0) == pytest.approx(1.0)
    assert gbce_beta(0.01, 1.0) == pytest.approx(0.01)


@pytest.mark.parametrize("number", [2, 50, None])
def test_a_video_nobody_has_watched_is_no_negative(number):
    drawn = Negatives(np.array([3, 0, 5, 0, 1]), number=number, popularity=0.5, softmax=True)
    rng = np.random.default_rng(0)
    found = [drawn.draw(rng) for _ in range(50)]
    assert set(np.concatenate([videos for videos, _ in found])) == {0, 2, 4}
    assert all(np.isfinite(correction).all() for _, correction in found)


def test_a_video_drawn_twice_stands_once_and_counts_twice():
    drawn = Negatives(np.ones(3, np.int64), number=2, popularity=0.0, softmax=False)
    rng = np.random.default_rng(0)
    for _ in range(20):
        videos, log_times = drawn.draw(rng)
        assert len(set(videos)) == len(videos)
        assert np.exp(log_times).sum() == pytest.approx(2)
