"""The rules of a catalogue, in their order, and what they make of the best videos."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.fusion import FusionConfig
from kinoloop.models.scores import Scored
from kinoloop.models.top_k import best
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.head import FORBIDDEN, NONE, Context, Head, Rule
from kinoloop.policy.rules import compiled

WIDER = 8
"""Times as many candidates are looked at where a limit cannot be kept among those at hand."""


class Best(NamedTuple):
    """The best videos, as retrieval and ranker have them.

    Attributes:
        videos: (n,) positions, best first.
        scores: (n,) float32, falling.
    """

    videos: NDArray[np.intp]
    scores: NDArray[np.float32]


class Arranged(NamedTuple):
    """The videos of a slate; see `Best`.

    Attributes:
        videos: (n,) positions.
        scores: (n,) float32.
        allowed: Places of the slate before the first one that a rule gave way at.
        held: Places, from 0, at which a rule holds a video.
        moved: Of each place of the slate the rules that put its video before better ones, with
            commas between.
        more: Whether a candidate is left for which no rule would give way.
    """

    videos: NDArray[np.intp]
    scores: NDArray[np.float32]
    allowed: int
    held: frozenset[int]
    moved: Sequence[str]
    more: bool


class Policy:
    """Rules compiled with a catalogue.

    Args:
        config: Which, and how.
        catalogue: The videos.
        columns: Of the catalogue.
        fusion: Weights of the modalities in a similarity.
    """

    def __init__(
        self,
        config: RulesConfig,
        catalogue: Catalogue,
        columns: VideoFilters,
        fusion: FusionConfig,
    ) -> None:
        self.config = config
        self.rules: tuple[Rule, ...] = tuple(compiled(config, catalogue, columns, fusion))

    def candidates(self, top_k: int) -> int:
        """How many of the best videos the rules look at, for a slate of some length."""
        return max(self.config.candidates, 2 * top_k)

    def leaves(self, context: Context) -> dict[str, NDArray[np.integer]]:
        """Positions that must not be in the slate, by reason code."""
        found = {rule.name: rule.leaves(context) for rule in self.rules}
        return {name: videos for name, videos in found.items() if len(videos)}

    def arrange(
        self,
        top: Best,
        scores: Scored,
        context: Context,
        *,
        taken: NDArray[np.integer] = NONE,
        steps: int | None = None,
        whole: bool = False,
    ) -> Arranged:
        """Fill the places of a slate.

        Args:
            top: The best of `scores`, in the order of the ranker where there is one.
            scores: (n_videos,) of retrieval; −inf hides a video.
            context: Of the request.
            taken: Positions that stand in the slate already, before its first place.
            steps: Only so many of the rules; None is all of them.
            whole: Return every candidate: first the slate, then the others in the order of scores.

        Returns:
            The slate. The score of what the ranker has not seen continues its scores downwards, in
            the order of retrieval.
        """
        rules = self.rules[:steps]
        wanted = self.candidates(context.top_k)
        while True:
            head, found = self._head(rules, top, scores, context, taken=taken, wanted=wanted)
            order, allowed, held, moved, more = _filled(rules, head, scores, context)
            if allowed == min(context.top_k, head.first) or head.first < wanted:
                if whole:
                    rest = np.arange(head.first)
                    order = np.concatenate([order, rest[~np.isin(rest, order)]])
                return Arranged(
                    found.videos[order], found.scores[order], allowed, held, moved, more
                )
            wanted *= WIDER

    def _head(
        self,
        rules: Sequence[Rule],
        top: Best,
        scores: Scored,
        context: Context,
        *,
        taken: NDArray[np.integer],
        wanted: int,
    ) -> tuple[Head, Best]:
        more = best(scores, wanted) if wanted > len(top.videos) else NONE
        joined = [rule.joins(scores, context) for rule in rules]
        joined = [some[np.isfinite(scores[some])] for some in joined if len(some)]
        below = np.concatenate([more, *joined]).astype(np.intp)
        if len(below):
            below = below[~np.isin(below, top.videos)]
            below = np.unique(below)
            below = below[np.lexsort((below, -scores[below]))]
        videos = np.concatenate([top.videos, below])
        all_scores = _continued(top, scores, below)
        spread = float(top.scores.std()) if len(top.scores) else 0.0
        middle = float(top.scores.mean()) if len(top.scores) else 0.0
        values = (all_scores.astype(np.float64) - middle) / (spread or 1.0)
        last = min(self.candidates(context.top_k), len(values)) - 1
        span = (float(values[last]), float(values[0])) if len(values) else (0.0, 0.0)
        before = np.full(len(taken), span[0])
        head = Head(
            np.concatenate([videos, taken]).astype(np.intp),
            np.concatenate([values, before]),
            len(videos),
            span,
        )
        return head, Best(videos, all_scores)


class Policies:
    """The rules of one catalogue; those of the last config are kept.

    Args:
        catalogue: The videos.
        columns: Of the catalogue.
        fusion: Weights of the modalities in a similarity.
    """

    def __init__(self, catalogue: Catalogue, columns: VideoFilters, fusion: FusionConfig) -> None:
        self._parts = catalogue, columns, fusion
        self._last: Policy | None = None

    def of(self, config: RulesConfig) -> Policy:
        """Return the rules of a config."""
        last = self._last
        if last is None or (last.config is not config and last.config != config):
            last = self._last = Policy(config, *self._parts)
        return last


def _continued(top: Best, scores: Scored, below: NDArray[np.intp]) -> NDArray[np.float32]:
    """Scores of `top`, and of what comes below it on their scale, never above the lowest."""
    if not len(below):
        return top.scores
    retrieved = scores[top.videos]
    if np.array_equal(retrieved, top.scores):
        return np.concatenate([top.scores, scores[below]])
    spread = float(retrieved.std()) or 1.0
    scale = (float(top.scores.std()) or 1.0) / spread
    lowest = float(top.scores.min(initial=np.inf)) if len(top.scores) else 0.0
    gap = float(scores[below].max()) - scores[below].astype(np.float64)
    return np.concatenate([top.scores, (lowest - scale * gap).astype(np.float32)])


def _filled(
    rules: Sequence[Rule], head: Head, scores: Scored, context: Context
) -> tuple[NDArray[np.intp], int, frozenset[int], list[str], bool]:
    """Choose, place by place.

    Returns:
        The slate, positions in the head; how many of its places there are before the first
        forbidden one; which places were held; which rules moved what stands at each; and whether
        what is left has one that is not forbidden.
    """
    added = [
        (rule.name, more) for rule in rules if (more := rule.adjust(head, context)) is not None
    ]
    adjusted = head._replace(values=sum((more for _, more in added), head.values))
    begun = [(rule.name, rule.begin(adjusted, context)) for rule in rules]
    courses = [(name, course) for name, course in begun if course is not None]
    held = _held(rules, head, scores, context)
    places = frozenset(held)
    total = adjusted.relevance
    total[head.first :] = -np.inf
    total[[at for at, _ in held.values()]] = -np.inf
    for at in (*range(head.first, len(total)), *(at for at, _ in held.values())):
        for _, course in courses:
            course.take(at)
    length = min(context.top_k, head.first)
    chosen: list[int] = []
    moved: list[str] = []
    allowed, first = length, 0
    while len(chosen) < length:
        at, why = held.pop(len(chosen), (-1, ""))
        if at < 0:
            penalties = [(name, course.penalty(len(chosen))) for name, course in courses]
            left = total.copy()
            for _, penalty in penalties:
                left -= penalty
            at = int(left.argmax())
            if not np.isfinite(left[at]):  # only held ones are left, of places further down
                rest = [held[place] for place in sorted(held)]
                chosen += [at for at, _ in rest]
                moved += [why for _, why in rest]
                break
            if left[at] < -FORBIDDEN / 2:
                allowed = min(allowed, len(chosen))
            while total[first] == -np.inf:
                first += 1
            why = _movers(at, first, penalties, added)
            total[at] = -np.inf
            for _, course in courses:
                course.take(at)
        chosen.append(at)
        moved.append(why)
    others = _any_more(total, [course.penalty(length) for _, course in courses])
    return np.array(chosen, dtype=np.intp), allowed, places, moved, others


def _any_more(left: NDArray[np.float64], penalties: list[NDArray[np.float64] | float]) -> bool:
    """Whether a candidate that is left, those that are not at −inf, is not forbidden."""
    return bool((left - sum(penalties) > -FORBIDDEN / 2).any())


def _movers(
    at: int,
    first: int,
    penalties: Sequence[tuple[str, NDArray[np.float64] | float]],
    added: Sequence[tuple[str, NDArray[np.float64]]],
) -> str:
    """Name the rules by which a candidate comes before the best of those that it passes.

    Args:
        at: The candidate.
        first: The best one that is left, maybe the same.
        penalties: Of each rule.
        added: To the values, by each rule.
    """
    if at == first:
        return ""
    names = [name for name, more in added if more[at] > more[first]]
    names += [
        name
        for name, penalty in penalties
        if isinstance(penalty, np.ndarray) and penalty[first] > penalty[at]
    ]
    return ",".join(dict.fromkeys(names))


def _held(
    rules: Sequence[Rule], head: Head, scores: Scored, context: Context
) -> dict[int, tuple[int, str]]:
    """Which candidate stands at which place, by which rule; a later one gives way to an earlier."""
    held: dict[int, tuple[int, str]] = {}
    for rule in rules:
        for place, video in rule.held(context):
            if place not in held and np.isfinite(scores[video]):
                at = np.flatnonzero(head.videos[: head.first] == video).tolist()
                if at and at[0] not in {one for one, _ in held.values()}:
                    held[place] = at[0], rule.name
    return held
