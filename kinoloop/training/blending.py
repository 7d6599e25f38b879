"""Blends among the candidates of a retrain: what they take, and whether they are proven.

A blend comes after all others and takes those that were fitted. It competes only where the lower
end of the interval of what it gains over its best part lies above 0, user by user, with weights
that had not seen the user; else the best part, which is simpler and cheaper, is not to be replaced
by what may be luck.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from kinoloop.evaluation.compare import paired
from kinoloop.models.base import Recommender
from kinoloop.models.blend import Blend, name_of
from kinoloop.training.outcome import Blended, Interval, Outcome

KIND = "blend"


def with_parts(candidates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put blends last, and into each the settings of the candidates that it names; none: all.

    Raises:
        ValueError: A blend names what is no candidate that it can take.
    """
    others = {name_of(each): dict(each) for each in candidates if not _is_blend(each)}
    blends = []
    for blend in candidates:
        if not _is_blend(blend):
            continue
        parts = []
        for part in blend.get("parts") or list(others):
            if isinstance(part, str) and part not in others:
                raise ValueError(
                    f"{name_of(blend)} blends {part!r}, which is no other candidate; there are "
                    f"{', '.join(others)}"
                )
            parts.append({**others[part], "name": part} if isinstance(part, str) else part)
        blends.append({**blend, "parts": parts})
    return [*others.values(), *blends] if blends else [dict(each) for each in candidates]


def of_fitted(candidate: dict[str, Any], fitted: Collection[str]) -> dict[str, Any]:
    """Leave out parts of a blend that could not be fitted; other candidates stay as they are."""
    if not _is_blend(candidate):
        return candidate
    return {**candidate, "parts": [p for p in candidate["parts"] if name_of(p) in fitted]}


def part_names(candidate: Mapping[str, Any]) -> list[str]:
    """Names of a blend's parts; none of other candidates."""
    return [name_of(part) for part in candidate.get("parts", [])] if _is_blend(candidate) else []


def too_few(recommender: Recommender) -> str:
    """Say why a blend has nothing to blend; "" where it has, and of other kinds."""
    if not isinstance(recommender, Blend) or len(recommender.config.parts) > 1:
        return ""
    return f"{len(recommender.config.parts)} of its parts could be fitted, a blend needs two"


def blended_of(recommender: Recommender, *, seed: int) -> Blended | None:
    """Tell what a fitted blend gains over its best part, with the interval; None of other kinds."""
    if not isinstance(recommender, Blend) or not len(recommender.gains):
        return None
    gain = paired(recommender.gains, np.zeros(len(recommender.gains)), seed=seed)
    return Blended(
        best_part=recommender.best_alone,
        gain=Interval(mean=gain.mean, low=gain.low, high=gain.high),
        weights=recommender.weights,
    )


def unproven(outcome: Outcome) -> str:
    """Say why a blend does not compete; "" where it does, and of other kinds."""
    blended = outcome.blended
    if blended is None or blended.gain.low > 0:
        return ""
    gain = blended.gain
    return (
        f"left out: not proven better than {blended.best_part}, its best part: NDCG@10 "
        f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] on validation"
    )


def _is_blend(candidate: Mapping[str, Any]) -> bool:
    return candidate.get("kind") == KIND
