import io
import struct

import pytest

from kinoloop.media.diagnosis import why_unreadable

REFUSED = ValueError("Invalid data: 'x'")


def box(kind, length=8, payload=b""):
    return struct.pack(">I4s", length, kind) + payload


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello, I am text", "not_media"),
        (b"", "not_media"),
        (box(b"ftyp") + box(b"mdat", 5000), "truncated"),
        (box(b"ftyp") + box(b"mdat", 0), "truncated"),
        (box(b"ftyp") + box(b"moof"), "no_header"),
        (box(b"ftyp") + box(b"moov"), "damaged"),
        (box(b"ftyp") + box(b"moov", 3), "damaged"),
        (box(b"ftyp") + box(b"mdat", 1, struct.pack(">Q", 1 << 40)), "truncated"),
        (b"\x1aE\xdf\xa3" + b"x" * 20, "damaged"),
    ],
)
def test_tells_what_is_wrong(content, reason):
    assert why_unreadable(io.BytesIO(content), REFUSED)[0] == reason


def test_header_that_ends_early_is_truncated():
    found = why_unreadable(io.BytesIO(b"RIFF1234AVI "), EOFError("End of file"))
    assert found[0] == "truncated"
    assert "AVI, WAV or WebP" in found[1]
