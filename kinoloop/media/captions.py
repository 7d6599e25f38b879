"""Clean cues with their words once, where captions show them again: rolling up, or painted on.

Live captions keep one or two old lines on the screen and add a new one; painted captions grow by a
word at a time. What a cue shows that the one just before it showed as well is not said again.
"""

import html
import re
from collections.abc import Iterable, Sequence

from kinoloop.media.subtitle_formats import Cue

_LINE_END = re.compile(r"<br[ /]*>|\\[Nnh]", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|\{\\?[^{}\n]{0,200}\}|\[END SUBTITLE\]\s*$")
_SPACE = re.compile(r"\s+")

NEXT_S = 1.0
"""A cue that starts so long after the end of the one before does not roll on from it."""

AT_ONCE_S = 0.1
"""A cue that says the same again so soon is still the one before; later somebody repeats it."""

ROLLED_WORDS = range(3, 40)
"""So many words at the end of a cue that the next one begins with are lines broken elsewhere, where
a whole line is among them."""

SURELY_ROLLED = 6
"""So many are, even where none is: people seldom say so much twice in a row."""


def unroll(cues: Iterable[Cue]) -> list[Cue]:
    """Cues with only the words that are new in them, cleaned, on one line.

    Args:
        cues: In order of time, as their file has them.

    Returns:
        Those with new words; what shows the same for longer ends later.
    """
    said: list[Cue] = []
    shown: list[str] = []
    end_s = 0.0
    for cue in cues:
        lines = [line for line in map(clean, split_lines(cue.text)) if line]
        if not lines:
            continue
        fresh = _new(shown, lines) if cue.start_s <= end_s + NEXT_S else lines
        if fresh or cue.start_s > end_s + AT_ONCE_S:
            said.append(Cue(cue.start_s, cue.end_s, " ".join(fresh or lines)))
        else:
            said[-1] = Cue(said[-1].start_s, max(said[-1].end_s, cue.end_s), said[-1].text)
        shown, end_s = lines, cue.end_s
    return said


def _new(before: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Return what of `lines` does not repeat the end of `before`.

    The last line may have grown, and lines may be broken elsewhere where enough words are the same.
    """
    for first in range(len(before)):
        kept = before[first:]
        n = len(kept)
        if n > len(lines) or list(lines[: n - 1]) != list(kept[:-1]):
            continue
        old, now = kept[-1], lines[n - 1]
        if now == old:
            return list(lines[n:])
        if now.startswith(f"{old} "):
            return [now[len(old) + 1 :], *lines[n:]]
    if not before:
        return list(lines)
    old_words, words = " ".join(before).split(" "), " ".join(lines).split(" ")
    line = min(len(before[-1].split(" ")), len(lines[0].split(" ")))
    for n in reversed(ROLLED_WORDS):
        rolled = len(old_words) >= n and old_words[-n:] == words[:n]
        if rolled and n >= min(line, SURELY_ROLLED):
            return [" ".join(words[n:])] if words[n:] else []
    return list(lines)


def split_lines(text: str) -> list[str]:
    """Split a cue into its lines as they are shown."""
    return _LINE_END.sub("\n", text).split("\n")


def clean(line: str) -> str:
    """Return a cue without its markup, entities read, on one line."""
    plain = _MARKUP.sub("", _LINE_END.sub(" ", line))
    return _SPACE.sub(" ", html.unescape(plain)).replace("\0", "").strip()
