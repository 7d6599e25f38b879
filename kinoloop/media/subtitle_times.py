"""Put the times of subtitles into the form that the parsers know.

People and programs write `00:00:20 --> 00:00:24`, `0:10,5 -> 0:14`, `00:00:10, --> 00:00:14,` in
SubRip and WebVTT and put blank lines between a time and its text, leave the end of a MicroDVD cue
open, and the hundredths of SubStation away; players read all of it.
"""

import re
from collections.abc import Iterator

_WHOLE = r"(?:(\d{1,3})[ \t]*:[ \t]*)?(\d{1,3})[ \t]*:[ \t]*(\d{1,2})"
_TIME = _WHOLE + r"(?:[ \t]?[.,:;][ \t]?(\d{0,9}))?"
_LINE = re.compile(rf"^[ \t]*{_TIME}[ \t]*(?:-{{1,3}}|[–—−]+)[ \t]*>[ \t]*{_TIME}(?=[ \t]|$)(.*)$")
_RATE = re.compile(
    r"^\s*\{[01]?\}\{[01]?\}\s*(\d{1,3}(?:[.,]\d{1,6})?)\s*(?:fps)?\s*$", re.IGNORECASE
)
_OPEN_END = re.compile(r"^(\s*\{\s*(\d{1,9})\s*\}\s*)\{\s*\}", re.MULTILINE)
_FRAME = re.compile(r"^\s*\{\s*(\d{1,9})\s*\}\s*\{", re.MULTILINE)
_EVENT = re.compile(r"^(?:Dialogue|Comment):", re.IGNORECASE)
_EVENT_TIMES = [
    re.compile(rf"^([^,]*),[ \t]*{_WHOLE}{start}[ \t]*,[ \t]*{_WHOLE}{end}[ \t]*,(.*)$")
    for start, end in [
        (r"(?:[.:](\d{0,9}))?", r"(?:[.:](\d{0,9}))?"),  # a comma ends the field
        (r",(\d{2,3})", r"(?:[.:,](\d{2,3}))?"),  # unless a time follows only after the next
    ]
]
_NO_TEXT = ("NOTE", "STYLE", "REGION")


def put_right(text: str, *, point: str) -> tuple[str, int]:
    """Rewrite every time line as `HH:MM:SS,mmm --> HH:MM:SS,mmm`.

    Args:
        text: Of a file, lines ended by newlines.
        point: `,` for SubRip, `.` for WebVTT.

    Returns:
        The text, and how many time lines there are.
    """
    lines, count = [], 0
    for line in text.split("\n"):
        found = _LINE.match(line) if ">" in line else None
        if found is None:
            lines.append(line)
            continue
        parts = found.groups()
        count += 1
        start, end = _stamp(parts[:4], point), _stamp(parts[4:8], point)
        lines.append(f"{start} --> {end}{parts[8]}")
    return "\n".join(lines), count


def close_gaps(text: str) -> str:
    """Drop blank lines between a time line and its text; a cue without text stays without."""
    return "\n".join(_without_gaps(text.split("\n")))


def rate_of(text: str) -> tuple[float | None, str]:
    """Read the frame rate that a MicroDVD file names in its first line, and what follows it."""
    first, _, rest = text.partition("\n")
    found = _RATE.match(first)
    if found is None:
        return None, text
    rate = float(found[1].replace(",", "."))
    return (rate, rest) if 1 <= rate <= 1000 else (None, rest)


def close_ends(text: str) -> str:
    """End each cue of a MicroDVD file that names no end where the next one starts."""
    opened = list(_OPEN_END.finditer(text))
    if not opened:
        return text
    parts, at = [], 0
    for cue in opened:
        following = _FRAME.search(text, cue.end())
        parts += [text[at : cue.start()], cue[1], f"{{{following[1] if following else cue[2]}}}"]
        at = cue.end()
    return "".join([*parts, text[at:]])


def put_events_right(text: str) -> tuple[str, int]:
    """Rewrite the times of SubStation's events as `H:MM:SS.mmm`.

    Returns:
        The text without the events whose times cannot be read, and how many those are.
    """
    lines, broken = [], 0
    for line in text.split("\n"):
        event = _EVENT.match(line)
        parts = next((m.groups() for form in _EVENT_TIMES if (m := form.match(line))), None)
        if event and parts:
            start, end = _stamp(parts[1:5], "."), _stamp(parts[5:9], ".")
            lines.append(f"{parts[0].capitalize()},{start},{end},{parts[9]}")
        elif event:
            broken += 1
        else:
            lines.append(line)
    return "\n".join(lines), broken


def _without_gaps(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        yield lines[at]
        if _LINE.match(lines[at]):
            text = at + 1
            while text < len(lines) and not lines[text].strip():
                text += 1
            if text < len(lines) and _is_text(lines, text):
                at = text - 1
        at += 1


def _is_text(lines: list[str], at: int) -> bool:
    """Whether a line belongs to the time before it: no time, no number or name of the next cue."""
    following = lines[at + 1] if at + 1 < len(lines) else ""
    marked = lines[at].split(" ")[0] in _NO_TEXT
    return not (_LINE.match(lines[at]) or _LINE.match(following) or marked)


def _stamp(parts: tuple[str | None, ...], point: str) -> str:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    total_ms = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1000
    total_ms += int(fraction[:3].ljust(3, "0"))
    minutes_in, ms = divmod(total_ms, 60_000)
    return f"{minutes_in // 60:02d}:{minutes_in % 60:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"
