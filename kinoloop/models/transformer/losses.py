"""Losses of next-video training, with gradients made on the way and no matrix of logits kept.

With hidden state h, next video i and compared videos S (shared by the batch):

    softmax   −log p(i),  p(i) = exp(h·v_i) / (exp(h·v_i) + Σ_{j ∈ S, j ≠ i} exp(h·v_j − c_j))
    gbce      (β softplus(−h·v_i) + Σ_{j ∈ S, j ≠ i} n_j softplus(h·v_j)) / (|S| + 1)

The correction c_j = log(E[times that j is drawn]) makes the sum an unbiased estimate of that of the
full softmax; S = all videos with c = 0 is the full softmax. In gbce, β = α (t (1 − 1/α) + 1/α) with
α the share of the catalogue that is drawn; t = 0 is plain binary cross-entropy (β = 1).

A loss is one number, so its gradient is known once the logits are: both come from the same pass
over blocks of positions, each block small enough for the cache. One exponential and three products
per logit, instead of the two, four and five of the layers of a framework; and memory for one block,
where a full softmax over 19k videos would hold 80 MB per thousand positions.

Shapes: T targets, S compared videos, V videos of the step, D the embedding size.

Source: Bengio and Senécal, IEEE TNN 19(4), 2008 (importance-sampled softmax); Yi et al., RecSys
2019 (log-Q correction); Petrov and Macdonald, RecSys 2023 (gSASRec: gBCE); Wijmans et al., 2024
(Cut Cross-Entropy: never materialise the logits).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

BLOCK_CELLS = {"cpu": 2**18, "cuda": 2**26}  # logits held at a time: 1 MB stays in a core's cache


@dataclass(frozen=True)
class Compared:
    """What each target is compared with.

    Attributes:
        positive_T: Places of the targets in the step's videos.
        negative_S: Places of the compared videos, each once.
        correction_S: c_j for softmax; log n_j for gbce.
        clash: Rows and columns of the T × S table where the compared video is the target itself.
    """

    positive_T: Tensor
    negative_S: Tensor
    correction_S: Tensor
    clash: tuple[Tensor, Tensor]


def softmax_loss(h_TD: Tensor, fused_VD: Tensor, compared: Compared, weight_T: Tensor) -> Tensor:
    """Σ weight · −log p, a scalar; the weights of a whole step add up to 1."""
    return _loss(h_TD, fused_VD, compared, weight_T, beta=None)


def gbce_loss(
    h_TD: Tensor, fused_VD: Tensor, compared: Compared, weight_T: Tensor, *, beta: float
) -> Tensor:
    """Σ weight · gbce, a scalar; `beta` from `gbce_beta`."""
    return _loss(h_TD, fused_VD, compared, weight_T, beta=beta)


def gbce_beta(drawn_share: float, calibration: float) -> float:
    """Exponent of the positive's probability; 1 where `calibration` is 0.

    Examples:
        >>> gbce_beta(0.1, 0.0), gbce_beta(0.1, 1.0)
        (1.0, 0.1)
    """
    alpha = min(1.0, drawn_share)
    return alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)


def _loss(
    h_TD: Tensor, fused_VD: Tensor, compared: Compared, weight_T: Tensor, *, beta: float | None
) -> Tensor:
    positive_TD = fused_VD[compared.positive_T].float()
    negative_SD = fused_VD[compared.negative_S].float()
    loss: Tensor = _Compare.apply(  # type: ignore[no-untyped-call]  # torch has no annotation here
        h_TD.float(),
        positive_TD,
        negative_SD,
        compared.correction_S,
        weight_T,
        compared.clash,
        beta,
    )
    return loss


class _Compare(torch.autograd.Function):
    """Loss and gradients, block by block."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch has no type for it)
        h_TD: Tensor,
        positive_TD: Tensor,
        negative_SD: Tensor,
        correction_S: Tensor,
        weight_T: Tensor,
        clash: tuple[Tensor, Tensor],
        beta: float | None,
    ) -> Tensor:
        dh_TD, dpositive_TD = torch.empty_like(h_TD), torch.empty_like(h_TD)
        dnegative_SD = torch.zeros_like(negative_SD)
        total = h_TD.new_zeros(())
        rows, columns = clash
        block = max(1, BLOCK_CELLS[h_TD.device.type] // max(1, len(negative_SD)))
        bounds = [*range(0, len(h_TD), block), len(h_TD)]
        cuts = torch.searchsorted(rows, torch.tensor(bounds, device=rows.device)).tolist()
        with torch.autocast(h_TD.device.type, enabled=False):
            for at, (start, stop) in enumerate(pairwise(bounds)):
                span, same = slice(start, stop), slice(cuts[at], cuts[at + 1])
                h_bD, own_bD, weight_b = h_TD[span], positive_TD[span], weight_T[span]
                positive_b = (h_bD * own_bD).sum(dim=1)
                logit_bS = h_bD @ negative_SD.T
                itself = (rows[same] - start, columns[same])
                step = _softmax if beta is None else _gbce
                loss_b, dpositive_b, dlogit_bS = step(
                    positive_b, logit_bS, (correction_S, itself, beta)
                )
                total += (weight_b * loss_b).sum()
                dpositive_b = dpositive_b * weight_b
                dlogit_bS *= weight_b[:, None]
                torch.addmm(dpositive_b[:, None] * own_bD, dlogit_bS, negative_SD, out=dh_TD[span])
                torch.mul(dpositive_b[:, None], h_bD, out=dpositive_TD[span])
                dnegative_SD.addmm_(dlogit_bS.T, h_bD)
        ctx.save_for_backward(dh_TD, dpositive_TD, dnegative_SD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 (same)
        scaled = (part * grads[0] for part in ctx.saved_tensors)
        return (*scaled, None, None, None, None)


Extras = tuple[Tensor, tuple[Tensor, Tensor], float | None]


def _softmax(positive_b: Tensor, logit_bS: Tensor, extras: Extras) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and its derivatives by the logits; `logit_bS` is overwritten."""
    correction_S, itself, _ = extras
    logit_bS -= correction_S
    logit_bS[itself] = -torch.inf
    top_b = torch.maximum(logit_bS.amax(dim=1), positive_b)
    logit_bS.sub_(top_b[:, None]).exp_()
    own_b = (positive_b - top_b).exp()
    sum_b = logit_bS.sum(dim=1) + own_b
    logit_bS.div_(sum_b[:, None])
    return top_b + sum_b.log() - positive_b, own_b / sum_b - 1, logit_bS


def _gbce(positive_b: Tensor, logit_bS: Tensor, extras: Extras) -> tuple[Tensor, Tensor, Tensor]:
    correction_S, itself, beta = extras
    assert beta is not None
    times_S = correction_S.exp()
    mean = 1 / (1 + float(times_S.sum()))
    unlike_bS = torch.nn.functional.softplus(logit_bS)
    unlike_bS[itself] = 0
    loss_b = beta * torch.nn.functional.softplus(-positive_b) + unlike_bS @ times_S
    dlogit_bS = logit_bS.sigmoid_().mul_(times_S * mean)
    dlogit_bS[itself] = 0
    return loss_b * mean, -beta * mean * torch.sigmoid(-positive_b), dlogit_bS
