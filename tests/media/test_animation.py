import io

import numpy as np
import pytest
from PIL import Image

from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import Interval, KeyFrames, Scenes


def drawn(n):
    pictures = []
    for i in range(n):
        pixels = np.full((64, 96, 3), (200, 60, 30), dtype=np.uint8)
        pixels[:, i * 4 : i * 4 + 8] = 255
        pictures.append(Image.fromarray(pixels))
    return pictures


def animation(form, n=20, **options):
    target = io.BytesIO()
    first, *rest = drawn(n)
    facts = {"duration": 100, "lossless": True} | options
    if rest:
        facts |= {"save_all": True, "append_images": rest}
    first.save(target, form, **facts)
    return target.getvalue()


@pytest.mark.parametrize("form", ["WEBP", "GIF", "PNG"])
def test_animated_pictures_are_read_as_video(tmp_path, form):
    (tmp_path / "a").write_bytes(animation(form))
    found = decode_media(tmp_path / "a")
    assert (found.reason, found.frames.shape) == ("", (8, 64, 96, 3))
    assert found.duration_s == pytest.approx(2.0, abs=0.05)
    assert (found.width, found.height) == (96, 64)
    lefts = [int((frame[32].min(axis=1) > 240).argmax()) for frame in found.frames]
    assert lefts == sorted(lefts)
    assert lefts[-1] - lefts[0] > 50
    assert found.thumbnail[:2] == b"\xff\xd8"
    assert len(found.picture_print) == len(found.print_times_s) > 0
    colour = found.frames[0][0, 95]
    assert np.abs(colour.astype(int) - (200, 60, 30)).max() < 12


def test_frames_of_a_webp_that_last_unequally_are_looked_at_by_the_clock(tmp_path):
    lengths = [100] * 19 + [10_000]
    (tmp_path / "a").write_bytes(animation("WEBP", duration=lengths))
    found = decode_media(tmp_path / "a")
    assert found.duration_s == pytest.approx(11.9)
    assert len(found.frames) < 8  # no picture is taken twice


@pytest.mark.parametrize("sampling", [Interval(seconds=0.5), KeyFrames(max_frames=4), Scenes()])
def test_webp_is_sampled_by_every_policy(tmp_path, sampling):
    (tmp_path / "a").write_bytes(animation("WEBP"))
    found = decode_media(tmp_path / "a", config=DecodeConfig(sampling=sampling))
    assert 1 <= len(found.frames) <= 5


def test_transparent_webp_lies_on_white(tmp_path):
    pictures = [Image.new("RGBA", (32, 32), (0, 0, 0, alpha)) for alpha in (0, 1, 2)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True)
    assert decode_media(tmp_path / "a.webp").frames.min() > 240


@pytest.mark.parametrize("form", ["WEBP", "GIF", "PNG", "JPEG", "BMP", "AVIF"])
def test_still_picture_is_called_one(tmp_path, form):
    target = io.BytesIO()
    drawn(1)[0].save(target, form)
    (tmp_path / "a").write_bytes(target.getvalue())
    with pytest.raises(MediaError, match=r"not_media: .*still picture"):
        decode_media(tmp_path / "a")


def test_webp_that_is_cut_off_gives_what_is_there(tmp_path):
    whole = animation("WEBP")
    (tmp_path / "a").write_bytes(whole[: len(whole) * 2 // 3])
    found = decode_media(tmp_path / "a")
    assert found.reason == "truncated"
    assert 0.5 < found.duration_s < 2
    (tmp_path / "b").write_bytes(whole[:50])
    with pytest.raises(MediaError, match=r"truncated: .*no frame of its animation"):
        decode_media(tmp_path / "b")


def test_webp_that_is_damaged_is_a_reason(tmp_path):
    whole = animation("WEBP")
    rng = np.random.default_rng(0)
    for _ in range(30):
        raw = bytearray(whole)
        for at in rng.integers(12, len(raw), 5):
            raw[at] = int(rng.integers(256))
        (tmp_path / "a").write_bytes(raw)
        try:
            decode_media(tmp_path / "a")
        except MediaError as err:
            assert err.reason in {"truncated", "damaged", "not_media", "too_many_pixels"}  # noqa: PT017


def test_webp_that_is_too_large_or_too_long_is_bounded(tmp_path):
    (tmp_path / "a").write_bytes(animation("WEBP"))
    with pytest.raises(MediaError, match="too_many_pixels: a frame has 96x64 pixels, limit 100"):
        decode_media(tmp_path / "a", config=DecodeConfig(max_pixels=100))
    found = decode_media(tmp_path / "a", config=DecodeConfig(max_duration_s=1.0))
    assert (found.reason, found.duration_s) == ("too_long", pytest.approx(1.0, abs=0.11))


def test_other_riff_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"RIFF\x20\0\0\0CDR9" + bytes(40))
    with pytest.raises(MediaError, match=r"not_media: .*RIFF file of type 'CDR9'"):
        decode_media(tmp_path / "a")
