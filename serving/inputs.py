"""What answers were made from, so that they can be made again: a line per answer of `/recommend`.

Kept beside the lineage, in a file per segment, written once per second and not in the request: a
kill -9 costs about a second of it. No user id is in it in any form, only what was read: positions
in the catalogue of the release, and vectors of searches and comments. Bounded like lineage, by
age and size.
"""

import json
import logging
import os
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinoloop.data.histories import Interaction
from kinoloop.data.written import Wrote
from serving.slates import Asked

logger = logging.getLogger(__name__)

SUFFIX = ".inputs.jsonl"
WAITING = 20_000
"""Answers that wait for the next second, at most; more cannot be replayed."""


class Made(NamedTuple):
    """How one answer was made.

    Attributes:
        request_id: Of the answer.
        asked: What it was made from.
        answer: Video ids with their scores, in order.
    """

    request_id: str
    asked: Asked
    answer: Sequence[tuple[str, float]]


class Inputs:
    """Writes what answers were made from.

    Args:
        folder: Of the lineage.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[Made] = deque(maxlen=WAITING)

    def record(self, made: Made) -> None:
        """Remember one; called in the request."""
        self._waiting.append(made)

    def flush(self) -> None:
        """Append what waits to the files."""
        lines: dict[str, list[str]] = {}
        for _ in range(len(self._waiting)):
            made = self._waiting.popleft()
            lines.setdefault(made.request_id.partition("-")[0], []).append(_line(made))
        for segment, of_segment in lines.items():
            path = self._folder / f"{segment}{SUFFIX}"
            try:
                with open(path, "a", encoding="utf-8", opener=_private) as file:
                    file.writelines(of_segment)
            except OSError:
                logger.exception("%d answers cannot be replayed later", len(of_segment))


def find(folder: Path, request_id: str) -> Made | None:
    """How an answer was made; None where nothing is known, or no longer."""
    path = folder / f"{request_id.partition('-')[0]}{SUFFIX}"
    if path.name != f"{request_id.partition('-')[0]}{SUFFIX}" or not path.exists():
        return None
    mark = json.dumps(request_id)
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(f'{{"request_id": {mark}'):
                return _read(line)
    return None


def _line(made: Made) -> str:
    asked = made.asked._asdict()
    asked |= {name: asked[name].tolist() for name in ("hidden", "cooling")}
    asked["written"] = [
        (one.kind, one.timestamp, b64encode(one.vector.astype(np.float16).tobytes()).decode())
        for one in made.asked.written
    ]
    return json.dumps({"request_id": made.request_id, "asked": asked, "answer": made.answer}) + "\n"


def _read(line: str) -> Made | None:
    try:
        document = json.loads(line)
        asked = document["asked"]
        for name in ("hidden", "cooling"):
            asked[name] = np.array(asked[name], dtype=np.int32)
        asked["history"] = [Interaction(*event) for event in asked["history"]]
        asked["written"] = [
            Wrote(kind, at, np.frombuffer(b64decode(text), dtype=np.float16).astype(np.float32))
            for kind, at, text in asked.get("written", [])  # an earlier version wrote none
        ]
        answer = [(video, score) for video, score in document["answer"]]
        return Made(document["request_id"], Asked(**asked), answer)
    except (ValueError, KeyError, TypeError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
