"""Text files as blocks of whole lines in UTF-8, whatever their encoding says at its start.

UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one are read. Any other encoding can
only be guessed, and a wrong guess spoils titles without an error: such a file is refused with the
line, and with the encoding that it looks like.
"""

import codecs
from collections.abc import Iterator
from itertools import chain
from typing import IO

BLOCK_BYTES = LONGEST_LINE = 8 << 20
SAMPLE_BYTES = 64 << 10  # around the first wrong byte, to name the encoding
_MARKS = (  # the longer first: that of UTF-16 LE begins that of UTF-32 LE
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class EncodingError(Exception):
    """Bytes that are not text in the file's encoding; says where and what they look like."""


class LineTooLongError(Exception):
    """A line is longer than a block."""


def line_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines.

    Args:
        file: At its start.

    Yields:
        Valid UTF-8 without a byte order mark; each block ends with a line end, which is a newline
        (old files that only have carriage returns are given newlines), but for the last one.

    Raises:
        EncodingError: The bytes are not text in the encoding that the file claims.
        LineTooLongError: A line is longer than 8 MiB.
    """
    lines = 0
    held = b""
    returns_only: bool | None = None
    for block in _utf8(file):
        if returns_only is None:
            returns_only = b"\r" in block and b"\n" not in block
        held += block.replace(b"\r", b"\n") if returns_only else block
        end = held.rfind(b"\n") + 1
        if not end:
            if len(held) > LONGEST_LINE:
                raise LineTooLongError(f"line {lines + 1} is longer than {LONGEST_LINE >> 20} MiB")
            continue
        yield _checked(held[:end], lines)
        lines += held.count(b"\n", 0, end)
        held = held[end:]
    if held:
        yield _checked(held, lines)


def _utf8(file: IO[bytes]) -> Iterator[bytes]:
    first = file.read(BLOCK_BYTES)
    mark, encoding = next((m for m in _MARKS if first.startswith(m[0])), (b"", "utf-8"))
    rest = iter(lambda: file.read(BLOCK_BYTES), b"")
    blocks = chain([first[len(mark) :]], rest)
    if encoding == "utf-8":
        _refuse_unmarked(first[:1024])
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        decoder.decode(b"", final=True)
    except UnicodeError as err:
        raise EncodingError(
            f"its byte order mark says {encoding}, but its bytes are not such text"
        ) from err


def _refuse_unmarked(start: bytes) -> None:
    """UTF-16 and UTF-32 without a mark are valid UTF-8, full of zeros."""
    if start.count(b"\0") * 4 < len(start) or not start:
        return
    width = 4 if start.count(b"\0") > len(start) // 2 else 2
    order = "le" if start[0::width].count(b"\0") < start[width - 1 :: width].count(b"\0") else "be"
    raise EncodingError(f"it looks like utf-{8 * width}-{order} without a byte order mark")


def _checked(block: bytes, lines: int) -> bytes:
    """Return the block if it is UTF-8, else say on which line it is not."""
    try:
        block.decode()
    except UnicodeDecodeError as err:
        line = lines + block.count(b"\n", 0, err.start) + 1
        start = max(err.start - SAMPLE_BYTES, 0)
        found = _guess(block[start : err.start + SAMPLE_BYTES])
        raise EncodingError(f"line {line} is not UTF-8; the file looks like {found}") from err
    return block


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # takes a moment, and good files never need it

    best = from_bytes(sample).best()
    return best.encoding if best is not None else "no text at all"
