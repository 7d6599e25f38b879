"""What answers were made from, so that they can be made again: a line per answer.

Kept beside the lineage, in a file per segment, written once per second and not in the request: a
kill -9 costs about a second of it. No user id is in it in any form, only what was read: positions
in the catalogue of the release, the words of a search (sealed under the key of the installation),
and vectors of searches and comments.
Bounded like lineage, by age and size.
"""

import json
import logging
import os
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.written import Wrote
from kinoloop.environment import Environment
from kinoloop.policy.config import RulesConfig
from kinoloop.privacy.key_file import secret_key
from kinoloop.privacy.sealed import Seal
from kinoloop.release.availability import Window
from serving.exploring import Draw
from serving.slates import Asked, AskedSearch, AskedSimilar, Question

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
    asked: Question
    answer: Sequence[tuple[str, float]]


class Inputs:
    """Writes what answers were made from.

    Args:
        folder: Of the lineage.
        seal: Of the words of searches.
    """

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._folder, self._seal = folder, seal
        self._waiting: deque[Made] = deque(maxlen=WAITING)

    def record(self, made: Made) -> None:
        """Remember one; called in the request."""
        self._waiting.append(made)

    def flush(self) -> None:
        """Append what waits to the files."""
        lines: dict[str, list[str]] = {}
        for _ in range(len(self._waiting)):
            made = self._waiting.popleft()
            lines.setdefault(made.request_id.partition("-")[0], []).append(_line(made, self._seal))
        for segment, of_segment in lines.items():
            path = self._folder / f"{segment}{SUFFIX}"
            try:
                with open(path, "a", encoding="utf-8", opener=_private) as file:
                    file.writelines(of_segment)
            except OSError:
                logger.exception("%d answers cannot be replayed later", len(of_segment))


def seal_of(environment: Environment) -> Seal:
    """Return the seal of the words of searches in an installation."""
    return Seal(secret_key(environment, "pseudonym"), "words of searches")


def find(folder: Path, request_id: str, seal: Seal) -> Made | None:
    """How an answer was made; None where nothing is known, or no longer; `seal` as of `Inputs`."""
    path = folder / f"{request_id.partition('-')[0]}{SUFFIX}"
    if path.name != f"{request_id.partition('-')[0]}{SUFFIX}" or not path.exists():
        return None
    mark = json.dumps(request_id)
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(f'{{"request_id": {mark}'):
                return _read(line, seal)
    return None


def _line(made: Made, seal: Seal) -> str:
    writers: dict[str, Callable[[Any], Any]] = {**_WRITERS, "query": seal.close}
    asked = {name: writers.get(name, _plain)(v) for name, v in made.asked._asdict().items()}
    kind = _KINDS[type(made.asked)]
    line = {"request_id": made.request_id, "kind": kind, "asked": asked, "answer": made.answer}
    return json.dumps(line) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 (a field of any question)
    return value.tolist() if isinstance(value, np.ndarray) else value


def _packed(written: Sequence[Wrote]) -> list[tuple[int, int, str]]:
    return [
        (one.kind, one.timestamp, b64encode(one.vector.astype(np.float16).tobytes()).decode())
        for one in written
    ]


def _unpacked(rows: list[tuple[int, int, str]]) -> list[Wrote]:
    return [
        Wrote(kind, at, np.frombuffer(b64decode(text), dtype=np.float16).astype(np.float32))
        for kind, at, text in rows
    ]


def _read(line: str, seal: Seal) -> Made | None:
    readers: dict[str, Callable[[Any], Any]] = {**_READERS, "query": seal.open}
    try:
        document = json.loads(line)
        kind = _NAMED[document.get("kind", "recommend")]  # older lines are all of one kind
        asked = {name: readers.get(name, _as_it_is)(v) for name, v in document["asked"].items()}
        answer = [(video, score) for video, score in document["answer"]]
        return Made(document["request_id"], kind(**asked), answer)
    except (ValueError, KeyError, TypeError):
        return None


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 (a field of any question)
    return value


def _positions(value: list[int]) -> NDArray[np.int32]:
    return np.array(value, dtype=np.int32)


_READERS: dict[str, Callable[[Any], Any]] = {
    "hidden": _positions,
    "cooling": _positions,
    "history": lambda events: [Interaction(*event) for event in events],
    "written": _unpacked,
    "draw": lambda draw: None if draw is None else Draw(*draw),
    "overruled": lambda windows: {int(at): Window(*one) for at, one in windows.items()},
    "blocked": _positions,
    "capped": lambda capped: {rule: _positions(videos) for rule, videos in capped.items()},
    "rules": lambda rules: None if rules is None else RulesConfig.model_validate(rules),
}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "written": _packed,
    "capped": lambda capped: {rule: videos.tolist() for rule, videos in capped.items()},
    "rules": lambda rules: rules and rules.model_dump(mode="json", exclude_defaults=True),
}
_KINDS: dict[type[Any], str] = {
    Asked: "recommend",
    AskedSimilar: "similar",
    AskedSearch: "search",
}
_NAMED = {name: kind for kind, name in _KINDS.items()}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
