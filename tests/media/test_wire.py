import io
import json
import struct

import pytest

from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig, nothing
from kinoloop.media.wire import MAX_HEADER_BYTES, read_result, write_result
from kinoloop.testing.clips import bar_clip


def through(result):
    buffer = io.BytesIO()
    write_result(buffer, result)
    buffer.seek(0)
    return read_result(buffer.read)


def test_what_is_written_is_read(tmp_path):
    found = decode_media(bar_clip(tmp_path / "a.mp4", subtitles=("hé",)))
    again = through(found)
    for name, value in vars(found).items():
        other = getattr(again, name)
        assert (value == other).all() if hasattr(value, "shape") else value == other, name


def test_nothing_is_a_result_too():
    assert through(nothing(DecodeConfig())).frames.shape == (0, 224, 224, 3)


def test_error_comes_back_as_error():
    with pytest.raises(MediaError, match="not_media: why"):
        through(MediaError("not_media", "why"))


def answer(header, body=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack(">I", len(encoded)) + encoded + body).read


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (answer(b"\x80\x04."), "is malformed"),
        (answer({"facts": {}}), "is malformed"),
        (answer({"shapes": {"frames": [1 << 40, 9, 9, 3]}}), r"claims frames of shape"),
        (answer({"shapes": {"frames": [-1, 9, 9, 3]}}), r"claims frames of shape"),
        (answer({"shapes": {"frames": [3]}}), r"claims frames of shape"),
        (io.BytesIO(struct.pack(">I", MAX_HEADER_BYTES + 1)).read, "header of"),
    ],
)
def test_answer_that_makes_no_sense_is_a_crash(said, match):
    with pytest.raises(MediaError, match=f"crashed: .*{match}"):
        read_result(said)
