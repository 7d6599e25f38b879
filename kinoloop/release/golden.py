"""Golden requests: a few questions with the answers that the release gave when it was written.

They are asked again wherever a bundle is opened for service. A library that computes differently,
a damaged state or vectors of another encoder show before the first user does. Scores may differ
by a tolerance (another CPU sums in another order); videos may swap places only within it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.sampling import evenly_spaced
from kinoloop.errors import BundleError
from kinoloop.release.user_histories import UserHistories
from kinoloop.settings import FrozenRecord, first_fault

TOLERANCE = 1e-3
"""Of a score, relative to the largest of its answer; bf16-free CPU kernels agree within 1e-5."""

MIN_REQUESTS = 3
"""A release of a single video has three."""

Answer = Sequence[tuple[str, float]]
Ask = Callable[[dict[str, Any]], Answer]


class Case(FrozenRecord):
    """One golden request with its answer.

    Attributes:
        request: What is asked.
        answer: Video ids with their scores, best first.
    """

    request: dict[str, Any]
    answer: list[tuple[str, FiniteFloat]]


def never(request: Mapping[str, Any]) -> bool:  # noqa: ARG001 (none is passed over)
    """Pass over no golden request."""
    return False


_CASES = TypeAdapter(list[Case])


def history_to_json(history: Sequence[Interaction], ids: IdMap) -> list[list[Any]]:
    """Interactions as JSON rows: video_id, weight, timestamp, kind, watch share or None."""
    return [[ids[e.video], e.weight, e.timestamp, e.kind, _known(e.watch_share)] for e in history]


def history_from_json(rows: Sequence[Sequence[Any]], ids: IdMap) -> list[Interaction]:
    """Undo `history_to_json`."""
    return [
        Interaction(
            ids.index(video_id), weight, timestamp, kind, float("nan") if share is None else share
        )
        for video_id, weight, timestamp, kind, share in rows
    ]


def golden_requests(
    histories: UserHistories, ids: IdMap, titles: Sequence[str]
) -> list[dict[str, Any]]:
    """List what to ask a release: slates of a stranger and five users, similar videos, words."""
    stored = [histories.row(row) for row in evenly_spaced(len(histories), 5).tolist()]
    requests: list[dict[str, Any]] = [
        {"ask": "recommend", "history": history_to_json(history, ids)} for history in ([], *stored)
    ]
    for video in range(0, len(ids), max(1, len(ids) // 3)):
        requests.append({"ask": "similar", "video_id": ids[video]})
        requests.append({"ask": "lexical", "query": titles[video]})
    return requests


def write_golden(path: Path, requests: Sequence[dict[str, Any]], ask: Ask) -> None:
    """Ask each request and write it with its answer."""
    golden = [{"request": request, "answer": [[*a] for a in ask(request)]} for request in requests]
    path.write_text(json.dumps(golden, indent=1), encoding="utf-8")


def check_golden(
    path: Path,
    ask: Ask,
    *,
    before: Ask | None = None,
    unless: Callable[[Mapping[str, Any]], bool] = never,
) -> int:
    """Ask every golden request again.

    Args:
        path: Of the requests with their answers.
        ask: Asks one.
        before: Gives the answer that is expected; None: the written one is.
        unless: Says of which the answer may be another one now; they are passed over.

    Returns:
        How many were asked.

    Raises:
        BundleError: An answer differs by more than the tolerance or is not finite, or there are
            too few of them to prove anything.
    """
    golden = _read(path)
    for number, case in enumerate(golden):
        if unless(case.request):
            continue
        try:
            expected = case.answer if before is None else before(case.request)
            difference = _difference(expected, ask(case.request))
        except Exception as err:  # noqa: BLE001 (whatever a damaged part makes a library raise)
            difference = f"it raises {type(err).__name__}: {err}"
        if difference:
            raise BundleError(
                f"{path}: golden request {number} ({case.request.get('ask')}): {difference}; "
                "the bundle or a library under it changed, build the bundle again"
            )
    return len(golden)


def _read(path: Path) -> list[Case]:
    try:
        golden = _CASES.validate_json(path.read_bytes())
    except (OSError, ValueError) as err:
        reason = first_fault(err) if isinstance(err, ValidationError) else str(err)
        raise BundleError(f"{path} cannot be read: {reason}; build the bundle again") from err
    slates = [case for case in golden if case.request.get("ask") == "recommend" and case.answer]
    if len(golden) < MIN_REQUESTS or not slates:
        raise BundleError(
            f"{path}: {len(golden)} golden requests, {len(slates)} of them with a slate; expected "
            f"at least {MIN_REQUESTS} and one: too few to prove anything, build the bundle again"
        )
    return golden


def _difference(expected: Answer, got: Answer) -> str:
    if len(expected) != len(got):
        return f"expected {len(expected)} videos, got {len(got)}"
    if not expected:
        return ""
    before = np.array([score for _, score in expected])
    after = np.array([score for _, score in got])
    slack = TOLERANCE * max(1e-6, float(np.abs(before).max()))
    apart = np.abs(before - after)
    if not np.isfinite(after).all():
        return "the answer has scores that are not finite"
    if not (apart <= slack).all():
        rank = int(np.nan_to_num(apart, nan=np.inf).argmax())
        return f"expected score {before[rank]:.6g} at rank {rank + 1}, got {after[rank]:.6g}"
    given = {video_id for video_id, _ in got}
    for video_id, score in expected:
        if score > before[-1] + 2 * slack and video_id not in given:
            return f"expected video {video_id} in the answer, it is not there"
    return ""


def _known(share: float) -> float | None:
    return None if np.isnan(share) else share
