"""The rules in one answer: which videos they leave out, and what they make of the best."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.scores import Scored, whole
from kinoloop.policy.head import NONE, Context
from kinoloop.policy.policy import Best, Policy
from kinoloop.policy.trace import RANKER, Trace

NOTHING = Histories.from_rows([[]])


class Ruling:
    """Asked by a release while it makes one slate.

    Args:
        policy: The rules.
        met: Positions of all that the user met.
        surface: Where the slate is shown.
        taken: Positions that stand in the slate already.
        strict: Whether a slate ends where a rule would have to give way.
        trace: Takes down what happens; None: nobody asked.

    Attributes:
        held: Places, from 0, at which a rule holds a video.
        moved: Of each place the rules that put its video before better ones, with commas between.
        more: Whether there surely is a further video for which no rule would give way.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        met: NDArray[np.integer] = NONE,
        surface: str | None = None,
        taken: Sequence[int] = (),
        strict: bool = False,
        trace: Trace | None = None,
    ) -> None:
        self._policy, self._trace, self._strict = policy, trace, strict
        self._taken = np.array(taken, dtype=np.intp)
        self._context = Context(0, 0, NOTHING, met, surface, len(taken), strict)
        self.held: frozenset[int] = frozenset()
        self.moved: Sequence[str] = ()
        self.more = False

    def begin(
        self,
        history: Histories,
        scores: Scored,
        *,
        closed: NDArray[np.integer],
        moment: int,
        top_k: int,
    ) -> NDArray[np.integer]:
        """Return what must not be in the slate, positions.

        Args:
            history: What the recommender reads, one row.
            scores: (n_videos,) of retrieval, nothing hidden yet.
            closed: Positions that may not be shown to anybody now.
            moment: When the answer is given, µs since the epoch.
            top_k: Length of the slate.
        """
        self._context = self._context._replace(moment=moment, top_k=top_k, history=history)
        left = self._policy.leaves(self._context)
        if self._trace is not None:
            self._trace.begin(whole(scores), closed, left, top_k)
        return np.concatenate([NONE, *left.values()])

    def candidates(self, top_k: int) -> int:
        """How many of the best videos the rules look at."""
        return self._policy.candidates(top_k)

    def arrange(self, top: Best, scores: Scored) -> Best:
        """Fill the places.

        Args:
            top: The best of `scores`, in the order of the ranker where there is one.
            scores: (n_videos,) of retrieval; −inf hides a video.

        Returns:
            The slate, with scores.
        """
        found = self._policy.arrange(top, scores, self._context, taken=self._taken)
        if self._trace is not None:
            self._trace.follow(whole(scores), [(RANKER, top.videos), *self._steps(top, scores)])
        self.held, self.more = found.held, found.more
        length = found.allowed if self._strict else len(found.videos)
        self.moved = found.moved[:length]
        return Best(found.videos[:length], found.scores[:length])

    def _steps(self, top: Best, scores: Scored) -> list[tuple[str, NDArray[np.intp]]]:
        """Return the order after each rule, by name."""
        steps = []
        for at, rule in enumerate(self._policy.rules, start=1):
            found = self._policy.arrange(
                top, scores, self._context, taken=self._taken, steps=at, whole=True
            )
            steps.append((rule.name, found.videos))
        return steps
