"""The words of a video in passages of a sentence or two, each with where it comes from and when."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinoloop.data.sampling import evenly_spaced

SOURCES = ("title", "description", "speech", "screen", "comments")
MAX_PASSAGES = 400
"""Of one source of a video; longer ones are read at evenly spaced places."""

MIN_WORDS = 12
"""Sentences and cues are joined until they have as many: a single word says little."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")


@dataclass(frozen=True)
class Passage:
    """Some words of a video.

    Attributes:
        source: One of `SOURCES`.
        text: Its words.
        start_s: When they are said, seconds from the start; None where they are not said.
    """

    source: str
    text: str
    start_s: float | None = None


def passages(video: Mapping[str, Any], comments: Sequence[str]) -> list[Passage]:
    """Cut the words of a video.

    Args:
        video: `title`, `tags`, `description`, `words`, `cues` and `screen`, any of them None.
        comments: Newest first.
    """
    tags = ", ".join(tag for tag in video["tags"] or () if tag)
    title = " ".join(part for part in (video["title"], tags) if part).strip()
    found = [Passage("title", title)] if title else []
    sentences = ((s.strip(), None) for s in _SENTENCE.findall(video["description"] or ""))
    found += _spread(Passage("description", text) for text, _ in _joined(sentences))
    found += _spread(Passage("speech", text, at) for text, at in _joined(_said(video)))
    read = ((one["text"], one["start_s"]) for one in video["screen"] or ())
    found += _spread(Passage("screen", text, at) for text, at in _joined(read))
    return found + [Passage("comments", text) for text in comments if text.strip()]


def _said(video: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Cues with their times, then the words that the cues do not reach."""
    cues = video["cues"] or ()
    for cue in cues:
        yield cue["text"], cue["start_s"]
    if not cues:
        for sentence in _SENTENCE.findall(video["words"] or ""):
            yield sentence.strip(), None


def _joined(
    parts: Iterable[tuple[str, float | None]],
) -> Iterator[tuple[str, float | None]]:
    held: list[str] = []
    start: float | None = None
    for text, at in parts:
        if not text:
            continue
        start = at if not held else start
        held.append(text)
        if sum(len(one.split()) for one in held) >= MIN_WORDS:
            yield " ".join(held), start
            held = []
    if held:
        yield " ".join(held), start


def _spread(found: Iterable[Passage]) -> list[Passage]:
    listed = list(found)
    return [listed[i] for i in evenly_spaced(len(listed), MAX_PASSAGES)]
