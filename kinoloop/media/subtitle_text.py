"""From the bytes of a subtitle file to its text: any encoding, and nothing that blows up a parser.

A byte-order mark wins, then UTF-8, then UTF-16 or UTF-32 without a mark (known by their zeros),
then the guess of charset-normalizer. `tame` bounds what the parsers' patterns can be made to do:
they look back over blank lines and for the end of tags, which is quadratic in a hostile text.
"""

import re

from kinoloop.errors import MediaError

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_GUESSED_BYTES = 1 << 16
MAX_LINE = 2000
"""Characters kept of a line; a spoken sentence has some hundred."""

MAX_LINES = 150_000
"""Lines read; a day of talking has about 120,000 in SubRip."""

_BLANKS = re.compile(r"[ \t\u00a0\f]+")


def decode_text(raw: bytes) -> str:
    """Decode a text file in an encoding that nobody told.

    Raises:
        MediaError: It is not text in any known encoding (`not_text`).
    """
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    wide = _wide_encoding(raw[:_GUESSED_BYTES])
    if wide:
        return raw.decode(wide, errors="replace")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = _guess(raw)
    head = text[:_GUESSED_BYTES]
    strange = sum(c < " " and c not in "\t\n\r\f\0\x0b\x1a" for c in head)
    if strange > 0.01 * len(head) or head.count("\0") > 0.1 * len(head):
        raise MediaError("not_text", f"its bytes {raw[:8]!r}… are those of a binary file")
    return text


def tame(text: str) -> str:
    """Bound lines, blank runs and open tags; what people write comes back as it was.

    Args:
        text: Decoded text with any line ends.

    Returns:
        Lines end in a newline, at most one is blank between others, there are no more than
        `MAX_LINES`, none is longer than `MAX_LINE`, and no tag stays open at the end of its line.
    """
    lines: list[str] = []
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    for line in text.split("\n", 4 * MAX_LINES)[: 4 * MAX_LINES]:
        if line or (lines and lines[-1]):
            lines.append(_close_tags(line[:MAX_LINE]))
            if len(lines) >= MAX_LINES:
                break
    return "\n".join(lines)


def _close_tags(line: str) -> str:
    """Drop tag starts that no end follows, and squeeze blanks."""
    for start, end in ("<>", "{}"):
        last = line.rfind(end) + 1
        if start in line[last:]:
            line = line[:last] + line[last:].replace(start, "")
    return _BLANKS.sub(" ", line) if len(line) > 200 else line


def _wide_encoding(head: bytes) -> str:
    """UTF-16 or UTF-32 without a mark: where its zeros are, in a text of mostly Latin letters."""
    if len(head) < 8 or head.count(0) < len(head) // 4:
        return ""
    zeros = [head[i::4].count(0) / len(head[i::4]) for i in range(4)]
    for encoding, wanted in {
        "utf-32-le": (0, 0.9, 0.9, 0.9),
        "utf-32-be": (0.9, 0.9, 0.9, 0),
        "utf-16-le": (0, 0.7, 0, 0.7),
        "utf-16-be": (0.7, 0, 0.7, 0),
    }.items():
        if all(z >= w if w else z < 0.1 for z, w in zip(zeros, wanted, strict=True)):
            return encoding
    return ""


def _guess(raw: bytes) -> str:
    from charset_normalizer import from_bytes

    guesses = from_bytes(raw[:_GUESSED_BYTES])
    best = guesses.best()
    if best is None:
        raise MediaError("not_text", f"its bytes {raw[:8]!r}… are not text in any known encoding")
    equals = [g.encoding for g in guesses if (g.chaos, g.coherence) == (best.chaos, best.coherence)]
    encoding = "cp1252" if "cp1252" in equals else best.encoding  # of equals the commonest
    return raw.decode(encoding, errors="replace")
