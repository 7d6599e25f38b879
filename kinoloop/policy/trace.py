"""Explain: for every place of a slate what moved it, and for what left why.

The order of retrieval is followed through the ranker and one rule after the other: where a video
stands after a step, and where it stood before. A rule may move a video by moving another one.
Places count from 1. What may not be shown to anybody is not told of.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap

RANKER, SAME, FATIGUE, EXPLORE = "ranker", "same_content", "fatigue", "explore"
"""Reason codes of what is no rule on the head of the list."""

Step = tuple[str, NDArray[np.intp]]


class Trace:
    """Takes down how one slate came about.

    Args:
        why: Positions that must not appear, by reason code; of several the first one is told.

    Attributes:
        later: Reason code of positions that came into the slate after the rules.
    """

    def __init__(self, why: Mapping[str, NDArray[np.integer]]) -> None:
        self._why = dict(why)
        self.later: dict[int, str] = {}
        self._plain = np.empty(0, dtype=np.intp)
        self._scores = np.empty(0, dtype=np.float32)
        self._steps: list[Step] = []
        self._top_k = 0

    def begin(
        self,
        scores: NDArray[np.float32],
        closed: NDArray[np.integer],
        why: Mapping[str, NDArray[np.integer]],
        top_k: int,
    ) -> None:
        """Know what retrieval says of all videos.

        Args:
            scores: (n_videos,).
            closed: Positions that may not be shown to anybody now.
            why: Further positions that must not appear, by reason code.
            top_k: Length of the slate.
        """
        open_to_all = scores.copy()
        open_to_all[closed] = -np.inf
        self._plain = np.lexsort((np.arange(len(scores)), -open_to_all))[
            : int(np.isfinite(open_to_all).sum())
        ]
        self._why |= why
        self._top_k = top_k

    def follow(self, shown: NDArray[np.float32], steps: Sequence[Step]) -> None:
        """Know the order after each step.

        Args:
            shown: (n_videos,) of retrieval; −inf hides a video.
            steps: Name, and positions in the order after it.
        """
        self._scores, self._steps = shown.copy(), list(steps)

    def told(self, slate: Sequence[str], ids: IdMap) -> dict[str, Any]:
        """Return the explanation of an answer as JSON has it.

        Args:
            slate: External ids as they are shown.
            ids: Of the catalogue.
        """
        shown = [ids.index(video) for video in slate]
        return {
            "places": [
                {"video_id": video_id, "place": place, **self._moves(video, place)}
                for place, (video_id, video) in enumerate(zip(slate, shown, strict=True), start=1)
            ],
            "left": [
                {"video_id": ids.externals([video])[0], "place": place, "rule": self._left(video)}
                for place, video in enumerate(self._plain[: self._top_k].tolist(), start=1)
                if video not in shown
            ],
        }

    def _moves(self, video: int, final: int) -> dict[str, Any]:
        kept = self._plain[np.isfinite(self._scores[self._plain])]
        was = at = _place(kept, video)
        moved = []
        for rule, order in self._steps:
            then = _place(order, video)
            if then and then != at:
                moved.append({"rule": rule, "from": at, "to": then})
                at = then
        if at != final:  # by what comes after the rules
            moved.append({"rule": self.later.get(video, EXPLORE), "from": at, "to": final})
        return {"was": was, "moved": moved}

    def _left(self, video: int) -> str:
        if not np.isfinite(self._scores[video]):
            named = (rule for rule, videos in self._why.items() if video in videos)
            return next(named, SAME)
        for rule, order in self._steps:
            if video not in order[: self._top_k]:
                return rule
        return EXPLORE


def _place(order: NDArray[np.intp], video: int) -> int | None:
    """Place from 1; None where it has none."""
    (found,) = np.nonzero(order == video)
    return int(found[0]) + 1 if len(found) else None
