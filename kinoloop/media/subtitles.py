"""Words from subtitle files beside a video (SRT, WebVTT and what else pysubs2 reads).

Files are small, bounded and in any encoding: a byte-order mark wins, then UTF-8, then the guess of
charset-normalizer. Timings are not kept; markup, sound descriptions' brackets and repeated lines
(roll-up captions show each line twice) are dropped.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kinoloop.errors import MediaError
from kinoloop.media.source import open_regular

MAX_BYTES = 4 << 20
"""Largest subtitle file: the text of a ten-hour film is under 1 MiB."""

MAX_CHARACTERS = 20_000
"""Words kept of one video; about three times what the longest text encoders read."""

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|\{\\?[^{}\n]{0,200}\}")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Subtitles:
    """What was said.

    Attributes:
        words: The lines joined by blanks, at most `MAX_CHARACTERS`.
        cues: How many cues the file or track has.
    """

    words: str
    cues: int


def read_subtitles(path: Path) -> Subtitles:
    """Read a subtitle file.

    Raises:
        MediaError: It is no readable subtitle file (`subtitles_unreadable`), or as
            `source.check_regular`.
    """
    import pysubs2

    with open_regular(path, max_bytes=MAX_BYTES) as file:
        raw = file.read(MAX_BYTES)
    text = _decode(raw, path)
    try:
        wanted = _format(text, path)
        parsed = pysubs2.SSAFile.from_string(text, format_=wanted)
    except (pysubs2.Pysubs2Error, ValueError, KeyError, IndexError, OverflowError) as err:
        detail = f"{path} is not a subtitle file: {err or type(err).__name__}"
        raise MediaError("subtitles_unreadable", detail) from err
    cues = [event.plaintext for event in parsed.events if not event.is_comment]
    if not cues and wanted != "vtt":  # a WebVTT file may be its header alone
        raise MediaError("subtitles_unreadable", f"{path} has no cues")
    return Subtitles(words=join_lines(cues), cues=len(cues))


def join_lines(lines: Iterable[str]) -> str:
    """Clean the lines of cues and join them; a line that was just said is not said again."""
    kept: list[str] = []
    length = 0
    for line in lines:
        clean = _SPACE.sub(" ", html.unescape(_MARKUP.sub(" ", line))).replace("\0", "").strip()
        if not clean or clean in kept[-2:]:
            continue
        kept.append(clean)
        length += len(clean) + 1
        if length > MAX_CHARACTERS:
            break
    return " ".join(kept)[:MAX_CHARACTERS]


def _decode(raw: bytes, path: Path) -> str:
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    guesses = from_bytes(raw[: 1 << 16])
    best = guesses.best()
    if best is None:
        raise MediaError("subtitles_unreadable", f"{path} is not text in any known encoding")
    equals = [g.encoding for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
    encoding = "cp1252" if "cp1252" in equals else best.encoding  # of equals the commonest
    return raw.decode(encoding, errors="replace")


def _format(text: str, path: Path) -> str | None:
    """WebVTT says so in its first line; the rest by what it looks like (None: detect)."""
    if text.lstrip("\ufeff").startswith("WEBVTT"):
        return "vtt"
    return "srt" if path.suffix.lower() == ".srt" else None
