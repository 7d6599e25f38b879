import av
import pytest

from kinoloop.media.decode import decode_media
from kinoloop.testing.clips import bar_clip

WRAP_S = 2**33 / 90_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bar_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=4)


def stream(clip, start_s=0.0, container="mpegts"):
    """The clip as a transport or program stream whose clock starts so late."""
    path = clip.with_name(f"{start_s}.{container}")
    with av.open(str(clip)) as source, av.open(str(path), "w", format=container) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            late = int(start_s / float(packet.time_base))
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = streams[packet.stream_index]
            target.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize(
    "starts",
    [(0, 5000), (5000, 0), (0, 0), (0, 5000, 0), (0, 3, 1), (WRAP_S - 6, WRAP_S - 2)],
    ids=str,
)
def test_joined_transport_streams_are_as_long_as_their_content(clip, tmp_path, starts):
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(stream(clip, start_s) for start_s in starts))
    found = decode_media(joined)
    assert found.duration_s == pytest.approx(4 * len(starts), abs=0.3)
    assert (found.reason, len(found.frames)) == ("", 8)
    assert list(found.frame_times_s) == sorted(found.frame_times_s)
    gaps = found.frame_times_s[1:] - found.frame_times_s[:-1]
    assert gaps == pytest.approx(4 * len(starts) / 8, abs=0.3)


def test_clock_that_wraps_does_not_end_a_stream(clip, tmp_path):
    wrapped = tmp_path / "wrapped.ts"
    wrapped.write_bytes(stream(clip, WRAP_S - 3))
    found = decode_media(wrapped)
    assert (found.reason, len(found.frames)) == ("", 8)
    assert found.duration_s == pytest.approx(4, abs=0.2)


def test_program_stream_is_read(tmp_path):
    path = tmp_path / "a.mpg"
    with av.open(str(path), "w", format="mpeg") as target:
        video = target.add_stream("mpeg2video", rate=25, width=96, height=64, pix_fmt="yuv420p")
        for i in range(100):
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([2 * i]) * plane.buffer_size)
            frame.pts = i
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(path.read_bytes() * 2)
    for file, seconds in ((path, 4), (joined, 8)):
        found = decode_media(file)
        assert (found.duration_s, len(found.frames)) == (pytest.approx(seconds, abs=0.3), 8)


def test_file_that_is_cut_off_is_still_recognised(clip, tmp_path):
    whole = stream(clip)
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) // 2 + 77])
    assert decode_media(tmp_path / "cut.ts").duration_s < 3
