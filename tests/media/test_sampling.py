import av
import numpy as np
import pytest

from kinoloop.media.sampling import convert, pick, turn_upright, uniform_times


def frame(width=8, height=4):
    return av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")


def picked(times, wanted):
    frames = [(time, frame()) for time in times]
    return [picture.time_s for picture in pick(frames, wanted, short_side=4)]


def test_uniform_times_are_the_middles_of_equal_parts():
    assert uniform_times(2, 4.0) == [1.0, 3.0]


def test_picks_the_nearest_frame():
    assert picked([0, 1, 2, 3], [0.4, 1.6, 2.9]) == [0, 2, 3]


def test_picks_no_frame_twice():
    assert picked([0.0, 3.0], [0.1, 0.2, 2.9]) == [0.0, 3.0]


def test_last_frame_stands_for_times_after_it():
    assert picked([0.0, 1.0], [0.0, 5.0]) == [0.0, 1.0]


def test_picks_nothing_from_nothing():
    assert picked([], [1.0]) == []


@pytest.mark.parametrize(
    ("rotation", "white"), [(0, "top"), (-90, "right"), (90, "left"), (180, "bottom")]
)
def test_rotation_is_counter_clockwise(rotation, white):
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[0] = 255
    turned = turn_upright(pixels, rotation)
    edges = {"top": turned[0], "bottom": turned[-1], "left": turned[:, 0], "right": turned[:, -1]}
    assert [name for name, edge in edges.items() if edge.min() == 255] == [white]


def test_pixels_that_are_not_square_become_so():
    picture = convert(0.0, frame(8, 8), short_side=8, pixel_aspect=2.0)
    assert picture.pixels.shape == (8, 16, 3)
    assert not picture.turned


def test_long_strips_are_squeezed():
    assert convert(0.0, frame(800, 4), short_side=4).pixels.shape == (4, 16, 3)
