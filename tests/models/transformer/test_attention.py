import pytest
import torch

from kinoloop.models.transformer.attention import packed_attention

RUNS = ((2, 1), (3, 4), (1, 5))
P = sum(count * length for count, length in RUNS)


def masked(query, key, value, scaling):
    """The same by one dense mask over the row."""
    window = torch.repeat_interleave(
        torch.arange(6), torch.tensor([length for count, length in RUNS for _ in range(count)])
    )
    place = torch.arange(P)
    seen = (window[:, None] == window) & (place[:, None] >= place)
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    logits = (query @ key.transpose(-1, -2) * scaling).masked_fill(~seen, -torch.inf)
    return (logits.softmax(-1) @ value).transpose(1, 2)


@pytest.mark.parametrize("groups", [4, 2])
def test_equals_attention_under_a_document_mask(groups):
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, n, P, 8) for n in (4, groups, groups))
    found, weights = packed_attention(
        torch.nn.Identity(), query, key, value, None, runs=RUNS, scaling=0.3
    )
    assert weights is None
    torch.testing.assert_close(found, masked(query, key, value, 0.3))


def test_nothing_attends_to_nothing():
    empty = torch.zeros(1, 4, 0, 8)
    found, _ = packed_attention(torch.nn.Identity(), empty, empty, empty, None, runs=())
    assert found.shape == (1, 0, 4, 8)
