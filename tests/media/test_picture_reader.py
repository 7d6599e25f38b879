import av
import numpy as np
import pytest

from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import Interval, KeyFrames, Scenes, Uniform


def clip(path, colours, *, key_every=25, fps=25, times=None):
    """Each colour is shown for a second; `times` gives each frame a time stamp of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": str(key_every), "preset": "ultrafast", "sc_threshold": "0"}
        stream.gop_size = key_every
        for i in range(len(colours) * fps):
            pixels = np.full((48, 64, 3), colours[i // fps], dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts = times[i]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(path, sampling):
    found = decode_media(path, config=DecodeConfig(sampling=sampling))
    return found.frame_times_s, found.frames.mean(axis=(1, 2)).round(-1)


RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def test_uniform_sees_each_part(tmp_path):
    times, colours = frames(clip(tmp_path / "a.mp4", [RED, GREEN, BLUE]), Uniform(frames=3))
    np.testing.assert_allclose(times, [0.5, 1.5, 2.5], atol=0.03)
    assert colours.argmax(axis=1).tolist() == [0, 1, 2]


def test_interval_sees_one_a_second(tmp_path):
    times, _ = frames(clip(tmp_path / "a.mp4", [RED] * 5), Interval())
    np.testing.assert_allclose(times, [0.5, 1.5, 2.5, 3.5, 4.5], atol=0.03)


def test_key_frames_are_those_of_the_file(tmp_path):
    path = clip(tmp_path / "a.mp4", [RED, GREEN, BLUE], key_every=15)
    times, _ = frames(path, KeyFrames())
    np.testing.assert_allclose(times, [0.0, 0.6, 1.2, 1.8, 2.4], atol=0.01)
    times, _ = frames(path, KeyFrames(max_frames=3))
    np.testing.assert_allclose(times, [0.0, 1.2, 2.4], atol=0.01)


def test_scenes_are_the_first_picture_and_one_after_each_cut(tmp_path):
    path = clip(tmp_path / "a.mp4", [RED, RED, (250, 250, 250), BLUE], key_every=200)
    times, colours = frames(path, Scenes())
    np.testing.assert_allclose(times, [0.0, 2.0, 3.0], atol=0.05)
    assert colours[1].min() > 200


def test_of_too_many_cuts_the_hardest_stay(tmp_path):
    greys = [(v,) * 3 for v in (10, 60, 250, 200)]
    times, _ = frames(clip(tmp_path / "a.mp4", greys), Scenes(max_frames=2))
    np.testing.assert_allclose(times, [0.0, 2.0], atol=0.05)


def test_where_key_frames_are_many_only_those_nearest_are_decoded(tmp_path):
    path = clip(tmp_path / "a.mp4", [RED, GREEN, BLUE, RED], key_every=10)
    times, colours = frames(path, Uniform(frames=4))
    np.testing.assert_allclose(times, [0.4, 1.6, 2.4, 3.6], atol=0.01)
    assert colours.argmax(axis=1).tolist() == [0, 1, 2, 0]


def test_time_stamps_count_and_not_the_number_of_frames(tmp_path):
    """Variable frame rate: 25 frames in the first second, 25 in the next four."""
    stamps = [*range(25), *range(25, 125, 4)]
    path = clip(tmp_path / "a.mp4", [RED, GREEN], times=stamps)
    times, colours = frames(path, Uniform(frames=5))
    np.testing.assert_allclose(times, (np.arange(5) + 0.5) / 5 * 4.9, atol=0.1)
    assert colours.argmax(axis=1).tolist() == [0, 1, 1, 1, 1]


def test_header_that_lies_about_the_length_costs_a_second_look(tmp_path):
    path = clip(tmp_path / "a.mp4", [RED, GREEN, BLUE, RED], key_every=10)
    whole = path.read_bytes()
    # the index stands at the front, then half of the pictures are cut off
    with (
        av.open(str(path)) as source,
        av.open(str(tmp_path / "b.mp4"), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    raw = (tmp_path / "b.mp4").read_bytes()
    assert len(raw) == pytest.approx(len(whole), rel=0.2)
    media = raw.find(b"mdat") + 4
    (tmp_path / "b.mp4").write_bytes(raw[: media + (len(raw) - media) // 2])
    found = decode_media(tmp_path / "b.mp4", config=DecodeConfig(sampling=Uniform(frames=4)))
    assert found.reason == "truncated"
    assert 1.0 < found.duration_s < 3.0
    np.testing.assert_allclose(
        found.frame_times_s, (np.arange(4) + 0.5) / 4 * found.duration_s, atol=0.3
    )
