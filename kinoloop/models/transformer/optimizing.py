"""How weights are moved: what decays, how fast each part learns, and when."""

import math
from typing import Any, Literal

import torch
from torch import nn

from kinoloop.models.transformer.network import Network

MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer")
"""What an optimiser remembers of each weight; which of them, depends on the optimiser."""


def optimizer_of(
    groups: list[dict[str, Any]], kind: Literal["adamw", "sgd"], *, peak: float
) -> torch.optim.Optimizer:
    """Build the optimiser of parameter groups.

    Args:
        groups: From `parameter_groups`.
        kind: `sgd` has momentum and keeps one number per weight instead of two.
        peak: Learning rate of groups that name none.
    """
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=peak, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), fused=True)


def warm_then_cool(step: int, steps: int, warmup_share: float) -> float:
    """Share of the peak learning rate: linear up, then a cosine down to a tenth."""
    warm = max(1, int(steps * warmup_share))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def parameter_groups(
    network: Network, *, weight_decay: float, peak: float, checkpoint_peak: float
) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for biases, norms and embeddings; a peak for each part.

    Args:
        network: To train.
        weight_decay: Of matrices.
        peak: Highest learning rate.
        checkpoint_peak: The same, of weights that come from a pretrained checkpoint.
    """
    tables = [m for m in network.modules() if isinstance(m, nn.Embedding)]
    embeddings = {id(parameter) for table in tables for parameter in table.parameters()}
    checkpoint = network.backbone.pretrained
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and id(parameter) not in embeddings
            loaded = checkpoint and name.startswith("backbone.tuned.")
            groups.setdefault((decays, loaded), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "peak": checkpoint_peak if loaded else peak,
        }
        for (decays, loaded), parameters in groups.items()
    ]
