"""Say why a file could not be opened: no media at all, cut off, or damaged."""

from contextlib import suppress
from pathlib import Path
from typing import IO

import av
import av.logging

_MAGIC = {
    b"RIFF": "AVI, WAV or WebP",
    b"GIF8": "GIF",
    b"\x1aE\xdf\xa3": "Matroska or WebM",
    b"OggS": "Ogg",
    b"FLV": "FLV",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"\x00\x00\x01\xba": "MPEG",
    b"\x30\x26\xb2\x75": "ASF",
}
_STILLS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
"""PNG, JPEG, BMP, TIFF."""

_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"free", b"wide", b"skip", b"sidx", b"pnot")


def why_unreadable(file: IO[bytes], err: Exception) -> tuple[str, str]:
    """Give (reason, detail) for a file that FFmpeg refuses to open.

    Args:
        file: The file, readable and seekable.
        err: What FFmpeg said.

    Returns:
        `not_media` where the first bytes are of no known container, `truncated` where the
        container names more bytes than there are, `no_header` for a lone fragment, `damaged` else.
    """
    file.seek(0)
    head = file.read(16)
    said = str(err).split(":", 1)[0]
    if head[4:8] in _BOXES:
        return _inspect_boxes(file, said)
    if head.startswith(b"RIFF"):
        form = head[8:12].decode("latin-1").strip()
        if form not in {"AVI", "WAVE", "WEBP"}:
            return (
                "not_media",
                f"it is a RIFF file of type {form!r}, and no video or sound ({said})",
            )
    if head.startswith(_STILLS):
        return "not_media", f"it is a still picture, not a video ({said})"
    kind = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    if not kind:
        return "not_media", f"its first bytes {head[:8]!r} are of no known container ({said})"
    if isinstance(err, EOFError):
        return "truncated", f"it starts as {kind} and ends in its header ({said})"
    return "damaged", f"it starts as {kind} but cannot be opened ({said})"


def _inspect_boxes(file: IO[bytes], said: str) -> tuple[str, str]:
    """Walk the top-level boxes of an MP4 or MOV file (ISO/IEC 14496-12, section 4.2)."""
    size = file.seek(0, 2)
    at = 0
    kinds: list[bytes] = []
    while at + 8 <= size and len(kinds) < 1000:
        file.seek(at)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        kinds.append(kind)
        if length == 0:
            break
        if length < 8:
            return "damaged", f"the box at byte {at} claims {length} bytes ({said})"
        if at + length > size:
            name = kind.decode("latin-1")
            return "truncated", f"box {name!r} claims {length} bytes, {size - at} are left ({said})"
        at += length
    if b"moof" in kinds and b"moov" not in kinds:
        return "no_header", f"it is a fragment without its initialisation segment ({said})"
    if b"moov" not in kinds:
        return "truncated", f"it has no 'moov' box, which tells where its samples are ({said})"
    return "damaged", f"it is an MP4 or MOV file but cannot be opened ({said})"


_NO_LENGTH = (0, 1 << 31, 1 << 32)
"""What programs write that do not know yet how much sound comes, give or take a header."""


def has_no_length(file: IO[bytes]) -> bool:
    """Whether a WAV was written to a pipe: its header names no length, it ends where it ends."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return False
    at, end = 12, file.seek(0, 2)
    for _ in range(100):
        file.seek(at)
        kind, size = file.read(4), int.from_bytes(file.read(4), "little")
        if kind == b"data":
            near = any(abs(size - unknown) <= 1 << 13 for unknown in _NO_LENGTH)
            return near and (size == 0 or at + 8 + size > end)
        if len(kind) < 4:
            break
        at += 8 + size + size % 2
    return False


def is_encrypted(file: IO[bytes]) -> bool:
    """Whether an MP4 says in its header that its samples are encrypted (ISO/IEC 23001-7)."""
    file.seek(0)
    head = file.read(1 << 16)
    return head[4:8] in _BOXES and b"sinf" in head and (b"encv" in head or b"enca" in head)


def why_no_memory(file: IO[bytes], path: Path, options: dict[str, str]) -> tuple[str, str]:
    """Give (reason, detail) for a file that FFmpeg has no memory to open.

    FFmpeg says "no memory" of more than 1,000 streams, too; only its log tells the two apart.
    """
    file.seek(0)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as said, suppress(MemoryError, av.error.FFmpegError, OSError):
            av.open(file, "r", options=options, metadata_errors="replace").close()
    finally:
        av.logging.set_level(level)
    if any("max_streams" in line for _, _, line in said):
        return "too_many_streams", f"{path}: more than 1000 streams"
    return "memory", f"{path}: opening it needs more memory than allowed"
