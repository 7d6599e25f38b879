"""Causal attention over windows that are packed end to end in one row, none seeing another.

The transformers library calls it from inside any of its models under the name `packed`; no mask is
ever built. On a GPU in half precision it is the varlen kernel of PyTorch; elsewhere windows of
equal length, which stand together, are one call of the dense kernel each. A mask over the whole
row would cost positions² (`python -m benchmarks.ablate DATA_DIR --only base "document mask"`), and
padding the share of padding.

Shapes: P positions, H heads, G heads of keys and values (G divides H), E size of a head.

Source: Dao, 2023 (FlashAttention-2, variable lengths).
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "packed"
Runs = tuple[tuple[int, int], ...]
"""(number of windows, their length), in the order in which they stand in the row."""


def packed_attention(
    module: nn.Module,
    query_1HPE: Tensor,
    key_1GPE: Tensor,
    value_1GPE: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 (the interface's; the runs say it all)
    *,
    runs: Runs,
    scaling: float | None = None,
    dropout: float = 0.0,
    prefixes: tuple[Tensor, Tensor] | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attend; what the attention interface of the transformers library expects.

    Args:
        module: The layer that asks.
        query_1HPE: Queries.
        key_1GPE: Keys.
        value_1GPE: Values.
        attention_mask: Not used.
        runs: The windows that the row is made of.
        scaling: Of the logits; None is 1 / √E.
        dropout: Of the attention weights, in training.
        prefixes: Keys and values per layer that every window sees, (layers, G, K, E) each.

    Returns:
        (1, P, H, E), and no weights.
    """
    if not runs:
        return query_1HPE.transpose(1, 2), None
    parts = [x.transpose(1, 2)[0] for x in (query_1HPE, key_1GPE, value_1GPE)]  # (P, H or G, E)
    grouped = parts[0].shape[1] != parts[1].shape[1]
    drop = dropout if module.training else 0.0
    before = None if prefixes is None else _of_layer(prefixes, module)
    if (
        before is None
        and parts[0].is_cuda
        and parts[0].dtype in (torch.bfloat16, torch.float16)
        and not drop
    ):
        return _varlen(*parts, runs=runs, scaling=scaling, grouped=grouped)[None], None
    found, start = [], 0
    for count, length in runs:
        span = slice(start, start + count * length)
        start = span.stop
        query, key, value = (
            x[span].reshape(count, length, *x.shape[1:]).transpose(1, 2) for x in parts
        )
        mask = None
        if before is not None:
            key, value, mask = _after_prefix(key, value, before)
        attended = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=length > 1 and mask is None,
            scale=scaling,
            dropout_p=drop,
            enable_gqa=grouped,
        )
        found.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(found)[None], None


def _of_layer(prefixes: tuple[Tensor, Tensor], module: nn.Module) -> tuple[Tensor, Tensor]:
    layer = module.layer_idx
    assert isinstance(layer, int)
    keys, values = prefixes
    return keys[layer], values[layer]


def _after_prefix(
    key_NGLE: Tensor, value_NGLE: Tensor, before: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values of windows after those of a prefix, and what each position may see."""
    windows, _, length, _ = key_NGLE.shape
    found = []
    for prefix_GKE, own_NGLE in zip(before, (key_NGLE, value_NGLE), strict=True):
        prefix_NGKE = prefix_GKE.to(own_NGLE.dtype).expand(windows, *prefix_GKE.shape)
        found.append(torch.cat([prefix_NGKE, own_NGLE], dim=2))
    size = found[0].shape[2] - length
    seen_LS = torch.ones(length, size + length, dtype=torch.bool, device=key_NGLE.device)
    return found[0], found[1], seen_LS.tril(diagonal=size)


def _varlen(
    query_PHE: Tensor,
    key_PGE: Tensor,
    value_PGE: Tensor,
    *,
    runs: Runs,
    scaling: float | None,
    grouped: bool,
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    lengths = np.repeat([length for _, length in runs], [count for count, _ in runs])
    ends = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    ends, longest = ends.to(query_PHE.device), int(lengths.max())
    attended = varlen_attn(
        query_PHE.contiguous(),
        key_PGE.contiguous(),
        value_PGE.contiguous(),
        ends,
        ends,
        longest,
        longest,
        scale=scaling,
        window_size=(-1, 0),  # nothing that comes later
        enable_gqa=grouped,
    )
    assert isinstance(attended, Tensor)
    return attended


AttentionInterface.register(NAME, packed_attention)
