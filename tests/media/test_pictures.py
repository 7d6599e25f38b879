import struct

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from kinoloop.media.pictures import Converter, orientation, turn_upright


def frame(width=8, height=4, value=0):
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), value, np.uint8), format="rgb24")


@pytest.mark.parametrize(
    ("quarters", "white"), [(0, "top"), (3, "right"), (1, "left"), (2, "bottom")]
)
def test_quarter_turns_are_counter_clockwise(quarters, white):
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[0] = 255
    turned = turn_upright(pixels, quarters, mirrored=False)
    edges = {"top": turned[0], "bottom": turned[-1], "left": turned[:, 0], "right": turned[:, -1]}
    assert [name for name, edge in edges.items() if edge.min() == 255] == [white]


class Displayed:
    """What `orientation` reads of a frame: side data and the angle that FFmpeg makes of it."""

    def __init__(self, a, b, c, d, rotation):
        matrix = [value * 65536 for value in (a, b, 0, c, d, 0, 0, 0, 16384)]
        self.side_data = {"DISPLAYMATRIX": struct.pack("=9i", *matrix)}
        self.rotation = rotation


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1, 0), [[1, 2], [3, 4]]),
        ((0, 1, -1, 0, -90), [[3, 1], [4, 2]]),
        ((-1, 0, 0, 1, -180), [[2, 1], [4, 3]]),  # mirrored left to right: a front camera
        ((1, 0, 0, -1, 0), [[3, 4], [1, 2]]),  # upside down
    ],
)
def test_display_matrix_turns_and_mirrors(matrix, shown):
    pixels = np.array([[1, 2], [3, 4]], dtype=np.uint8)[..., None].repeat(3, axis=2)
    assert turn_upright(pixels, *orientation(Displayed(*matrix)))[..., 0].tolist() == shown


def test_pixels_that_are_not_square_become_so():
    picture = Converter(8, pixel_aspect=2.0).picture(0.0, frame(8, 8))
    assert picture.pixels.shape == (8, 16, 3)
    assert not picture.turned


def test_aspect_of_a_damaged_header_is_ignored():
    assert Converter(8, pixel_aspect=900.0).picture(0.0, frame(8, 8)).pixels.shape == (8, 8, 3)


def test_long_strips_are_squeezed():
    assert Converter(4).picture(0.0, frame(800, 4)).pixels.shape == (4, 16, 3)


def test_frames_are_never_enlarged():
    assert Converter(224).picture(0.0, frame(8, 4)).pixels.shape == (4, 8, 3)


def yuv(y, u, v, *, size=64, colorspace=2, color_range=1):
    made = av.VideoFrame(size * 2, size, "yuv420p")
    for plane, value in zip(made.planes, (y, u, v), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    made.colorspace, made.color_range = colorspace, color_range
    return made


@pytest.mark.parametrize(
    ("size", "colorspace", "matrix"),
    [
        (64, 1, "709"),
        (64, 6, "601"),
        (64, 2, "601"),
        (720, 2, "709"),  # nothing said: HD is BT.709
    ],
)
def test_colours_follow_the_matrix_that_the_file_names(size, colorspace, matrix):
    green = {"601": (145, 54, 34), "709": (173, 42, 26)}[matrix]  # pure green in limited range
    made = yuv(*green, size=size, colorspace=colorspace)
    red, g, blue = Converter(32).picture(0.0, made).pixels[8, 8]
    assert g >= 252
    assert max(red, blue) <= 3


def test_full_range_is_not_stretched():
    grey = Converter(32).picture(0.0, yuv(128, 128, 128, color_range=2)).pixels
    assert abs(int(grey[4, 4, 0]) - 128) <= 1
    stretched = Converter(32).picture(0.0, yuv(128, 128, 128, color_range=1)).pixels
    assert stretched[4, 4, 0] == pytest.approx((128 - 16) / 219 * 255, abs=1.5)


def ten_bit(value, trc):
    made = frame(64, 32, value).reformat(
        format="yuv420p10le",
        dst_colorspace=Colorspace.BT2020,
        dst_color_range=ColorRange.MPEG,
    )
    made.color_trc, made.color_primaries = trc, 9
    return made


def test_ten_bits_become_eight():
    assert Converter(32).picture(0.0, ten_bit(128, 1)).pixels.mean() == pytest.approx(128, abs=2)


def test_high_dynamic_range_is_mapped_and_the_rest_is_not():
    value = round(0.58 * 255)  # diffuse white in PQ
    as_sdr = Converter(32).picture(0.0, ten_bit(value, 1)).pixels.mean()
    as_pq = Converter(32).picture(0.0, ten_bit(value, 16)).pixels.mean()
    assert as_sdr == pytest.approx(value, abs=2)
    assert 210 < as_pq < 250


def test_luma_is_tiny_and_between_nought_and_one():
    luma = Converter(32).luma(yuv(235, 128, 128))
    assert luma.shape == (36, 64)
    assert 0.9 < luma.min() <= luma.max() <= 1
