"""What a check of `kinoloop doctor` says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kinoloop.environment import Environment


class State(StrEnum):
    """How a check came out; only `BROKEN` fails the doctor."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes:
        name: What was looked at.
        state: How it came out.
        seen: What was seen.
        fix: What to do; "" where there is nothing to do.
    """

    name: str
    state: State
    seen: str
    fix: str = ""


Check = Callable[[Environment], Iterator[Finding]]


def existing(path: Path) -> Path:
    """Return the nearest parent that exists."""
    return next(p for p in (path.resolve(), *path.resolve().parents) if p.exists())
