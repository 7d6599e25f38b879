"""Golden requests: a few questions with the answers that the release gave when it was written.

They are asked again wherever a bundle is opened for service. A library that computes differently,
a damaged state or vectors of another encoder show before the first user does. Scores may differ
by a tolerance (another CPU sums in another order); videos may swap places only within it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.errors import BundleError

TOLERANCE = 1e-3
"""Of a score, relative to the largest of its answer; bf16-free CPU kernels agree within 1e-5."""

Answer = Sequence[tuple[str, float]]
Ask = Callable[[dict[str, Any]], Answer]


def history_to_json(history: Sequence[Interaction], ids: IdMap) -> list[list[Any]]:
    """Interactions as JSON rows: video_id, weight, timestamp, kind, watch share or None."""
    return [
        [ids.ids[e.video], e.weight, e.timestamp, e.kind, _known(e.watch_share)] for e in history
    ]


def history_from_json(rows: Sequence[Sequence[Any]], ids: IdMap) -> list[Interaction]:
    """The inverse of `history_to_json`."""
    return [
        Interaction(
            ids.index(video_id), weight, timestamp, kind, float("nan") if share is None else share
        )
        for video_id, weight, timestamp, kind, share in rows
    ]


def write_golden(path: Path, requests: Sequence[dict[str, Any]], ask: Ask) -> None:
    """Ask each request and write it with its answer."""
    golden = [{"request": request, "answer": [[*a] for a in ask(request)]} for request in requests]
    path.write_text(json.dumps(golden, indent=1), encoding="utf-8")


def check_golden(path: Path, ask: Ask) -> int:
    """Ask every golden request again.

    Returns:
        How many were asked.

    Raises:
        BundleError: An answer differs by more than the tolerance.
    """
    golden = json.loads(path.read_text(encoding="utf-8"))
    for number, case in enumerate(golden):
        expected, got = case["answer"], ask(case["request"])
        difference = _difference(expected, got)
        if difference:
            raise BundleError(
                f"{path}: golden request {number} ({case['request']['ask']}): {difference}; "
                "the bundle or a library under it changed, build the bundle anew"
            )
    return len(golden)


def _difference(expected: Answer, got: Answer) -> str:
    if len(expected) != len(got):
        return f"expected {len(expected)} videos, got {len(got)}"
    if not expected:
        return ""
    before = np.array([score for _, score in expected])
    after = np.array([score for _, score in got])
    slack = TOLERANCE * max(1e-6, float(np.abs(before).max()))
    apart = np.abs(before - after)
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
