"""Recommend or not: whether a video would be wanted after a history, beside what comes next.

The next video is learned from what was watched with interest; what was skipped or disliked is then
only missing. Here both answer a question: logit(yes) = (W h + c) · v + b for the hidden state h of
the history and the vector v of the video, learned by binary cross-entropy.

Shapes: A questions, D the embedding size.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class Asks(nn.Module):
    """Answers; it starts at "as likely as not".

    Args:
        dim: Embedding size D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.turn = nn.Linear(dim, dim)
        nn.init.zeros_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, hidden_AD: Tensor, fused_AD: Tensor) -> Tensor:
        """Logits, (A,)."""
        found: Tensor = (self.turn(hidden_AD) * fused_AD).sum(dim=1) + self.bias
        return found


def wanted_loss(logit_A: Tensor, wanted_A: Tensor, *, asked: int) -> Tensor:
    """Binary cross-entropy in sum over a part of a step, over all that is asked in the step."""
    total = binary_cross_entropy_with_logits(logit_A.float(), wanted_A, reduction="sum")
    return total / max(asked, 1)
