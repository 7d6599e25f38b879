"""The ranker's network: numbers and words in, a logit for each outcome out.

The language model reads the history title by title and the candidate's words; u is the
recency-weighted mean over what was liked, v the candidate. Both are projected, and their product
joins the other features in front of a small head:

    logit = head([standardised features; Pu ⊙ Qv; cos(u, v); Rs ⊙ Qv]).

s are those features that say in which situation the video is shown; Rs ⊙ Qv lets a device want
other words, of videos that nobody has met, too. The first logit is that of the label; those of
single outcomes, where they are learned, share all but the last layer with it.

Shapes: B pairs, L history, V videos, T text, P projection, F features, S of them of the situation,
H hidden, O logits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kinoloop.models.base import State


class RankerHead(nn.Module):
    """Features and text vectors to a logit.

    Args:
        features: F.
        text: T; 0 without the language model.
        projection: P.
        hidden: H.
        dropout: Share of hidden activations dropped.
        situation: Columns of the features that say in which situation the video is shown.
        outcomes: O − 1.
    """

    def __init__(
        self,
        features: int,
        text: int,
        *,
        projection: int,
        hidden: int,
        dropout: float,
        situation: Sequence[int] = (),
        outcomes: int = 0,
    ) -> None:
        super().__init__()
        self.reads = text > 0
        self.user = nn.Linear(text, projection, bias=False) if self.reads else None
        self.video = nn.Linear(text, projection, bias=False) if self.reads else None
        self.columns = list(situation)
        met = self.reads and bool(self.columns)
        self.situation = nn.Linear(len(self.columns), projection, bias=False) if met else None
        width = features + (projection + 1 if self.reads else 0) + (projection if met else 0)
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1 + outcomes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BF: Tensor, u_BT: Tensor | None, v_BT: Tensor | None) -> Tensor:
        """Logits of the label, (B,)."""
        return self.all(x_BF, u_BT, v_BT)[:, 0]

    def all(self, x_BF: Tensor, u_BT: Tensor | None, v_BT: Tensor | None) -> Tensor:
        """Logits of the label and of all outcomes, (B, O)."""
        if self.user is not None and self.video is not None and u_BT is not None:
            assert v_BT is not None
            video_BP = self.video(v_BT)
            cosine_B1 = nn.functional.cosine_similarity(u_BT, v_BT, dim=1)[:, None]
            parts = [x_BF, self.user(u_BT) * video_BP, cosine_B1]
            if self.situation is not None:
                parts.append(self.situation(x_BF[:, self.columns]) * video_BP)
            x_BF = torch.cat(parts, dim=1)
        h_BH = self.dropout(torch.relu(self.first(x_BF)))
        h_BH = self.dropout(torch.relu(self.second(h_BH)))
        logit_BO: Tensor = self.out(h_BH)
        return logit_BO

    def arrays(self) -> State:
        """Weights in numpy."""
        return {
            f"head.{name}": value.detach().float().cpu().numpy().copy()
            for name, value in self.state_dict().items()
        }


def profile(vectors_VT: Tensor, history_BL: Tensor, weight_BL: Tensor) -> Tensor:
    """Profile of each pair, (B, T), of length 1 or 0.

    Args:
        vectors_VT: Text vectors.
        history_BL: Rows of it.
        weight_BL: Interest by recency; 0 is padding.
    """
    summed_BT = (vectors_VT[history_BL] * weight_BL[..., None]).sum(dim=1)
    return nn.functional.normalize(summed_BT, dim=1)
