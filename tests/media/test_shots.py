import av
import numpy as np
import pytest

from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import Shots, Uniform
from kinoloop.media.shots import cells, choose, find_cuts, shots_between


def film(path, lengths_s, *, fps=10, seed=0):
    """Film rough pictures, each its own; every shot drifts sideways a pixel per frame."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = {"g": "1000", "preset": "ultrafast", "sc_threshold": "0"}
        for length_s in lengths_s:
            rough = rng.integers(0, 256, (6, 24, 3), dtype=np.uint8)
            wide = np.kron(rough, np.ones((16, 16, 1), dtype=np.uint8))
            for i in range(int(length_s * fps)):
                pixels = np.ascontiguousarray(wide[:, i : i + 128])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_each_shot_has_a_picture_and_long_ones_more(tmp_path):
    path = film(tmp_path / "a.mp4", [4, 1, 5])
    found = decode_media(path, config=DecodeConfig(sampling=Shots(frames=5)))
    np.testing.assert_allclose(found.shots_s, [[0, 4], [4, 5], [5, 10]], atol=0.3)
    assert len(found.frame_times_s) == 5
    per_shot = np.histogram(found.frame_times_s, [0, 4, 5, 10])[0]
    assert per_shot.tolist() == [2, 1, 2]


def test_a_video_of_one_shot_is_sampled_evenly(tmp_path):
    path = film(tmp_path / "a.mp4", [12])
    shots = decode_media(path, config=DecodeConfig(sampling=Shots(frames=4)))
    evenly = decode_media(path, config=DecodeConfig(sampling=Uniform(frames=4)))
    np.testing.assert_array_equal(shots.frames, evenly.frames)
    assert shots.shots_s.tolist() == [[0.0, 12.0]]


def test_of_more_shots_than_pictures_the_longest_have_one(tmp_path):
    path = film(tmp_path / "a.mp4", [3, 1, 3, 1, 3, 1])
    config = DecodeConfig(sampling=Shots(frames=2, max_frames=3))
    times = decode_media(path, config=config).frame_times_s
    np.testing.assert_allclose(times, [1.5, 5.5, 9.5], atol=0.5)


def test_sound_alone_has_no_shots(tmp_path):
    from kinoloop.testing.clips import bar_clip

    clip = bar_clip(tmp_path / "a.mp4", seconds=1)
    assert len(decode_media(clip).shots_s) == 1
    assert len(decode_media(clip, without="pictures").shots_s) == 0


def squares(seed):
    rough = np.random.default_rng(seed).integers(0, 200, (6, 6), dtype=np.uint8)
    return np.kron(rough, np.ones((16, 16), dtype=np.uint8))


def test_another_picture_is_a_cut_and_light_or_motion_are_none():
    one, other = squares(0), squares(1)
    assert find_cuts([0.0, 0.5, 1.0, 1.5], [one, one, other, other]) == [0.75]
    assert find_cuts([0.0, 0.5], [one, one + 55]) == []
    assert find_cuts([0.0, 0.5], [one, np.roll(one, 6, axis=1)]) == []
    assert find_cuts([0.0, 0.5], [np.zeros_like(one), one]) == [0.25]
    assert find_cuts([0.0], [one]) == []


@pytest.mark.parametrize("least", [1, 2, 5, 9])
def test_chosen_pictures_are_different_and_in_order(least):
    rng = np.random.default_rng(least)
    times = np.sort(rng.uniform(0, 20, 12)).tolist()
    shots = shots_between(np.sort(rng.uniform(0, 20, 3)).tolist(), 20.0)
    chosen = choose(times, shots, least=least, most=6)
    assert chosen == sorted(set(chosen))
    filled = len({int(i) for i in np.searchsorted(shots[:, 1], times)})
    assert len(chosen) == max(min(least, 6), min(filled, 6))


def test_cells_cover_their_shots_without_overlap():
    shots = shots_between([4.0], 10.0)
    parts = cells([1.0, 3.0, 7.0], shots)
    assert parts.tolist() == [[0.0, 2.0], [2.0, 4.0], [4.0, 10.0]]
