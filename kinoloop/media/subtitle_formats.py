"""Parse subtitle text by what it is, not by what its name says.

WebVTT goes to webvtt-py, which follows the W3C's parsing rules; SubRip, SubStation (ASS, SSA),
MicroDVD, MPL2, SAMI and TMPlayer go to pysubs2. YouTube's SBV and SubViewer differ from SubRip in
their time lines only and are rewritten to it. TTML and DFXP are read here: pysubs2 refuses frame
and tick times, `dur` and the older namespaces. Their XML is parsed by defusedxml, so that entities
("billion laughs") and external files are refused.

Not covered: picture subtitles (VobSub, PGS), EBU STL, CEA-608.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinoloop.errors import MediaError
from kinoloop.extras import explained
from kinoloop.media.subtitle_text import tame
from kinoloop.media.subtitle_times import (
    close_ends,
    close_gaps,
    put_events_right,
    put_right,
    rate_of,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CUES = 50_000
"""Cues read of one file; a day of talking has about 30,000."""

FRAME_RATE = 25.0
"""Of MicroDVD and TTML files that count frames and do not say how many there are in a second."""


@dataclass(frozen=True)
class Cue:
    """One line that is shown for a while.

    Attributes:
        start_s: When it appears, seconds.
        end_s: When it goes; never before `start_s`.
        text: As the file has it, its markup included.
    """

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Parsed:
    """What a file holds.

    Attributes:
        format: `vtt`, `srt`, `sbv`, `subviewer`, `ass`, `microdvd`, `ttml`, …
        cues: In order of time, at most `MAX_CUES`.
        broken: Time lines that could not be read.
    """

    format: str
    cues: tuple[Cue, ...]
    broken: int = 0


_STAMP = r"\d{1,3}:\d{1,2}:\d{1,2}(?:\.\d{1,3})?"
_SBV = re.compile(rf"^[ \t]*({_STAMP})[ \t]*,[ \t]*({_STAMP})[ \t]*$", re.MULTILINE)
_SUBVIEWER = re.compile(r"^\[(INFORMATION|SUBTITLE|TITLE|STYLE|COLF)\]", re.MULTILINE)
_SUBSTATION = re.compile(r"^\[(Script Info|V4\+? Styles|Events)\]", re.MULTILINE)
_XML = re.compile(r"\s*<(\?xml|!DOCTYPE|!--|([\w.-]+:)?tt[\s/>])")
_TT = re.compile(r"<([\w.-]+:)?tt[\s/>]")
_HEAD = 1 << 14


@explained("reading subtitles")
def parse_subtitles(text: str, *, fps: float | None = None) -> Parsed:
    """Read a subtitle file.

    Args:
        text: All of it.
        fps: Frame rate of the video, for formats that count frames.

    Raises:
        MediaError: It is of no known format (`not_subtitles`), damaged beyond reading
            (`damaged_subtitles`), or XML that tries to do harm (`unsafe_xml`).
    """
    text = text.lstrip("\ufeff")
    if _XML.match(text) and _TT.search(text[:_HEAD]):
        return _bounded("ttml", _ttml_cues(text, fps or FRAME_RATE))
    text = tame(text).lstrip("\n")
    if text.startswith("WEBVTT"):
        return _parse_vtt(close_gaps(put_right(text, point=".")[0]))
    named_fps, text = rate_of(text)
    times = _SBV.search(text)
    if times and "-->" not in text[:_HEAD]:
        kind = "subviewer" if _SUBVIEWER.search(text[: times.start()]) else "sbv"
        text = _SBV.sub(r"\1 --> \2", text[times.start() :]).replace("[br]", "\n")
        return _parse_other(put_right(text, point=",")[0], fps, form="srt", name=kind)
    if _SUBSTATION.search(text[:_HEAD].partition("-->")[0]):  # later it is said by somebody
        text, broken = put_events_right(text)
        old = "[v4 styles]" in text[:_HEAD].lower()
        return _parse_other(text, fps, form="ssa" if old else "ass", broken=broken)
    text, timed = put_right(text, point=",")
    return _parse_other(close_ends(text), named_fps or fps, form="srt" if timed else "")


def _parse_vtt(text: str) -> Parsed:
    import webvtt

    found = webvtt.from_string(text)
    arrows = sum("-->" in line for line in text.split("\n"))
    cues = (Cue(_seconds(c.start), _seconds(c.end), c.raw_text) for c in found.captions)
    return _bounded("vtt", cues, broken=max(0, arrows - len(found.captions)))


def _seconds(stamp: str) -> float:
    """`00:01:02.500`, as webvtt-py writes it."""
    hours, minutes, seconds = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _parse_other(
    text: str, fps: float | None, *, form: str, name: str = "", broken: int = 0
) -> Parsed:
    """Read by pysubs2 in a form; without one it says which it is."""
    import pysubs2
    from pysubs2.formats import autodetect_format

    try:
        form = form or autodetect_format(text)
        with warnings.catch_warnings(action="ignore"):  # of styles and layers, which nobody reads
            try:
                parsed = pysubs2.SSAFile.from_string(text, format_=form, fps=None)
            except pysubs2.exceptions.UnknownFPSError:
                parsed = pysubs2.SSAFile.from_string(text, format_=form, fps=fps or FRAME_RATE)
    except pysubs2.exceptions.FormatAutodetectionError as err:
        first = [line[:40] for line in text[:200].split("\n") if line.strip()][:2]
        detail = f"no line has times of a known subtitle format; it starts with {first}"
        raise MediaError("not_subtitles", detail) from err
    except (pysubs2.Pysubs2Error, ValueError, KeyError, IndexError, OverflowError) as err:
        detail = f"it looks like {form} but cannot be read: {err or type(err).__name__}"
        raise MediaError("damaged_subtitles", detail) from err
    if broken and not parsed.events:
        detail = f"it looks like {form} but none of its {broken} events has times"
        raise MediaError("damaged_subtitles", detail)
    cues = (
        Cue(event.start / 1000, event.end / 1000, event.plaintext)
        for event in parsed.events
        if not event.is_comment and not event.is_drawing
    )
    if form == "srt":
        broken = max(0, sum("-->" in line for line in text.split("\n")) - len(parsed.events))
    return _bounded(name or form, cues, broken=broken)


def _bounded(form: str, cues: Iterator[Cue], *, broken: int = 0) -> Parsed:
    """Put times right and in order, and keep no more cues than are allowed."""
    kept: list[Cue] = []
    for cue in cues:
        start_s = max(0.0, cue.start_s)
        kept.append(Cue(start_s, max(start_s, cue.end_s), cue.text))
        if len(kept) >= MAX_CUES:
            break
    return Parsed(form, tuple(sorted(kept, key=lambda cue: cue.start_s)), broken)


# TTML (W3C TTML2, sections 8 and 10): a `p` is a cue, its time counts from that of its parents.


def _ttml_cues(text: str, fps: float) -> Iterator[Cue]:
    import defusedxml.ElementTree
    from defusedxml import DefusedXmlException

    declaration = re.match(r"\s*<\?xml[^>]*\?>", text)  # its encoding is that of the bytes
    try:
        root = defusedxml.ElementTree.fromstring(text[declaration.end() if declaration else 0 :])
    except DefusedXmlException as err:
        raise MediaError("unsafe_xml", f"its XML declares entities or a DTD: {err}") from err
    except defusedxml.ElementTree.ParseError as err:
        raise MediaError("damaged_subtitles", f"its XML ends in an error: {err}") from err
    clock = _Clock.of(root, fps)
    waiting: list[tuple[Element, float]] = [(root, 0.0)]
    while waiting:
        element, parent_s = waiting.pop()
        start_s = parent_s + (clock.seconds(element.get("begin")) or 0.0)
        if _local(element.tag) != "p":
            waiting += [(child, start_s) for child in reversed(element)]
            continue
        end_s, lasts_s = clock.seconds(element.get("end")), clock.seconds(element.get("dur"))
        if lasts_s is not None:
            until_s = start_s + lasts_s
        else:
            until_s = start_s if end_s is None else parent_s + end_s
        yield Cue(start_s, until_s, _ttml_text(element))


def _ttml_text(paragraph: "Element") -> str:
    """All words below a `p`, however deep; `br` is a line end, metadata is left out."""
    parts: list[str] = []
    waiting: list[Element | str] = [paragraph]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        name = _local(node.tag)
        if name == "br":
            parts.append("\n")
        elif name != "metadata":
            for child in reversed(node):
                waiting += [child.tail or "", child]
            waiting.append(node.text or "")
    lines = " ".join("".join(parts).replace("\n\n", "\n").split(" ")).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())


@dataclass(frozen=True)
class _Clock:
    """Reads TTML time expressions."""

    fps: float
    ticks: float

    @classmethod
    def of(cls, root: "Element", fps: float) -> "_Clock":
        facts = {_local(name): value for name, value in root.attrib.items()}
        rate = _number(facts.get("frameRate")) or fps
        top, _, bottom = facts.get("frameRateMultiplier", "1 1").replace(":", " ").partition(" ")
        rate *= (_number(top) or 1.0) / (_number(bottom) or 1.0)
        return cls(rate, _number(facts.get("tickRate")) or rate)

    def seconds(self, said: str | None) -> float | None:
        """`12.5s`, `100ms`, `30f`, `900t`, `00:01:02.5`, `00:01:02:12`; None for anything else."""
        if not said:
            return None
        offset = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", said.strip())
        if offset:
            unit = {"h": 3600, "m": 60, "s": 1, "ms": 0.001, "f": 1 / self.fps, "t": 1 / self.ticks}
            return float(offset[1]) * unit[offset[2]]
        clock = re.fullmatch(
            r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)(?::(\d{1,3}))?", said.strip()
        )
        if clock is None:
            return None
        frames = int(clock[4] or 0) / self.fps
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) + frames


def _number(said: str | None) -> float | None:
    return float(said) if said and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said) else None


def _local(name: object) -> str:
    """Return the name without its namespace; comments and instructions have none."""
    return name.rsplit("}", 1)[-1] if isinstance(name, str) else ""
