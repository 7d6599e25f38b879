"""Words with their times, from subtitle files beside a video and tracks inside it.

Files are small, bounded, in any encoding (`subtitle_text`) and of any format (`subtitle_formats`).
Markup, and what captions show more than once (`captions`), are dropped; the cues keep their times.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinoloop.errors import MediaError
from kinoloop.media.captions import unroll
from kinoloop.media.source import open_regular
from kinoloop.media.subtitle_formats import Cue, parse_subtitles
from kinoloop.media.subtitle_text import decode_text

MAX_BYTES = 4 << 20
"""Largest subtitle file: the text of a ten-hour film is under 1 MiB."""

MAX_CHARACTERS = 20_000
"""Words kept of one video; about three times what the longest text encoders read."""

SUFFIXES = frozenset(
    (".srt", ".vtt", ".sbv", ".sub", ".ass", ".ssa", ".ttml", ".dfxp", ".smi", ".sami", ".mpl")
)
"""How files are named that are subtitles and not media."""


@dataclass(frozen=True)
class Subtitles:
    """What was said.

    Attributes:
        words: The lines joined by blanks, at most `MAX_CHARACTERS`.
        cues: Those with words in them, cleaned, in order of time.
        format: `srt`, `vtt`, …
        broken: Time lines that could not be read.
    """

    words: str
    cues: tuple[Cue, ...]
    format: str
    broken: int = 0

    @property
    def duration_s(self) -> float:
        """When the last cue goes."""
        return max((cue.end_s for cue in self.cues), default=0.0)


def read_subtitles(path: Path, *, fps: float | None = None) -> Subtitles:
    """Read a subtitle file.

    Args:
        path: The file; its name does not tell its format.
        fps: Frame rate of the video, for formats that count frames.

    Raises:
        MediaError: It is no subtitle file (`not_text`, `not_subtitles`), cannot be read
            (`damaged_subtitles`, `unsafe_xml`), says nothing (`no_cues`), or as
            `source.check_regular`.
    """
    with open_regular(path, max_bytes=MAX_BYTES) as file:
        raw = file.read(MAX_BYTES)
    try:
        parsed = parse_subtitles(decode_text(raw), fps=fps)
    except MediaError as err:
        raise MediaError(err.reason, f"{path}: {err.detail}") from err
    cues = tuple(unroll(parsed.cues))
    if not cues and (parsed.cues or parsed.format != "vtt"):  # a WebVTT file may be only a header
        raise MediaError("no_cues", f"{path}: it is {parsed.format} and no cue has text")
    words = join_lines(cue.text for cue in cues)
    return Subtitles(words=words, cues=cues, format=parsed.format, broken=parsed.broken)


def join_lines(lines: Iterable[str]) -> str:
    """Join clean lines; a line that was just said is not said again."""
    kept: list[str] = []
    length = 0
    for line in lines:
        if not line or line in kept[-2:]:
            continue
        kept.append(line)
        length += len(line) + 1
        if length > MAX_CHARACTERS:
            break
    return " ".join(kept)[:MAX_CHARACTERS]


def first_cues(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """As many cues as `MAX_CHARACTERS` hold."""
    length = 0
    for count, cue in enumerate(cues):
        length += len(cue.text)
        if length > MAX_CHARACTERS:
            return tuple(cues[:count])
    return tuple(cues)
