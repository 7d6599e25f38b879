import logging

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from kinoloop.errors import ConfigError, MissingPackageError
from kinoloop.extraction import reader
from kinoloop.extraction.config import ExtractConfig, ReadingConfig
from kinoloop.extraction.products import decoding_for
from kinoloop.extraction.rows import Decoded, media_row
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig, nothing


def card(text, *, size=(640, 360), colour="navy"):
    image = Image.new("RGB", size, colour)
    font = ImageFont.load_default(34)
    ImageDraw.Draw(image).text((40, size[1] // 2), text, font=font, fill="white")
    return np.asarray(image)


def film(path, cards, *, seconds=2, fps=8):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = cards[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "ultrafast", "crf": "28"}
        for pixels in cards:
            for _ in range(seconds * fps):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def reads():
    return reader.Reader(ReadingConfig())


def test_words_of_a_film_are_read_with_their_times(reads, tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (45, 80, 3), dtype=np.uint8)
    dark = np.kron(noise, np.ones((8, 8, 1), dtype=np.uint8))
    path = film(tmp_path / "a.mp4", [card("How to bake bread"), dark, card("Thanks for watching")])
    found = decode_media(path, config=DecodeConfig(pages=6))
    (video,) = reads.add_words([Decoded(found, None)])
    screen = video.found.screen
    assert [one.text for one in screen] == ["How to bake bread", "Thanks for watching"]
    assert screen[0].start_s == 0.0
    assert screen[1].start_s == pytest.approx(4.0, abs=0.7)
    assert video.found.words == "How to bake bread Thanks for watching"
    assert min(one.score for one in screen) > 0.8


def test_small_captions_of_a_large_picture_are_read(reads):
    page = card("add the flour slowly", size=(960, 540))[::1, ::1, 1]
    small = np.asarray(Image.fromarray(page).resize((640, 360), Image.Resampling.BOX))
    assert reads.read(small).text == "add the flour slowly"


def test_a_page_is_read_once(monkeypatch):
    reads, seen = reader.Reader(ReadingConfig()), []
    real = reader.Reader._read
    monkeypatch.setattr(
        reader.Reader, "_read", lambda self, page: seen.append(1) or real(self, page)
    )
    page = card("seen before")[:, :, 1].copy()
    found = nothing(DecodeConfig())
    pages = np.stack([page, page, page])
    video = Decoded(
        type(found)(**{**vars(found), "pages": pages, "page_times_s": np.arange(3.0)}), None
    )
    for _ in range(2):
        (out,) = reads.add_words([video])
        assert [one.text for one in out.found.screen] == ["seen before"]
        assert (out.found.screen[0].start_s, out.found.screen[0].end_s) == (0.0, 2.0)
    assert len(seen) == 1


def test_what_is_read_is_a_column_of_media(reads, tmp_path):
    path = film(tmp_path / "a.mp4", [card("How to bake bread")])
    (video,) = reads.add_words([Decoded(decode_media(path), None)])
    from kinoloop.extraction.inventory import Item

    item = Item("v", "", "a.mp4", None, path, None, "h", "h", "h", "")
    row = media_row(item, video)
    assert row["screen"][0]["text"] == "How to bake bread"
    assert row["words"] == "How to bake bread"


def test_what_is_unsure_is_left_out():
    page = card("How to bake bread")[:, :, 1].copy()
    assert reader.Reader(ReadingConfig(min_score=1.0)).read(page).text == ""


def test_a_missing_package_is_a_modality_less(monkeypatch, caplog):
    find = reader.find_spec
    monkeypatch.setattr(reader, "find_spec", lambda name: None if name == "cv2" else find(name))
    with caplog.at_level(logging.WARNING):
        assert reader.identify(ReadingConfig()) == ""
        assert reader.reader(ReadingConfig()) is None
    assert "package 'cv2' is not installed; `pip install 'kinoloop[reading]'`" in caplog.text
    with pytest.raises(MissingPackageError, match="cv2"):
        reader.check_packages()
    assert decoding_for(ExtractConfig(), reads=False).pages == 0


def test_another_file_is_refused(monkeypatch, tmp_path):
    other = tmp_path / "rec.onnx"
    other.write_bytes(b"weights of somebody else")
    monkeypatch.setattr(type(reader.RECOGNITION), "_file", lambda _self: other)
    with pytest.raises(ConfigError, match="these are not the official weights"):
        reader.identify(ReadingConfig())


def test_the_fingerprint_follows_what_is_left_out():
    assert reader.identify(ReadingConfig(enabled=False)) == ""
    assert reader.identify(ReadingConfig()) == reader.identify(ReadingConfig())
    assert reader.identify(ReadingConfig()) != reader.identify(ReadingConfig(min_score=0.5))
