import io

import numpy as np
import pytest
from PIL import Image

from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import Uniform
from kinoloop.testing.clips import bar_clip, sound_file


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bar_clip(
        tmp_path_factory.mktemp("clips") / "clip.mp4",
        seconds=2.0,
        subtitles=("hello there", "good bye"),
    )


def test_samples_frames_evenly_over_the_measured_duration(clip):
    found = decode_media(clip)
    assert found.frames.shape == (8, 64, 96, 3)
    np.testing.assert_allclose(found.frame_times_s, np.arange(8) * 0.25 + 0.125, atol=0.03)
    assert found.reason == ""
    assert found.duration_s == pytest.approx(2.0, abs=0.06)


def test_frames_show_what_was_there_at_their_time(clip):
    found = decode_media(clip)
    for time_s, frame in zip(found.frame_times_s, found.frames, strict=True):
        bar = int(np.argmax(frame[..., 2].mean(axis=0)))  # white is the only blue
        assert bar == pytest.approx(time_s / 2 * 88 + 4, abs=6)


def test_reads_sound_as_mono_at_the_wanted_rate(clip):
    found = decode_media(clip)
    assert found.audio.dtype == np.float32
    assert len(found.audio) / found.sample_rate == pytest.approx(2.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(found.audio[:16_000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)


def test_sound_is_cut_at_its_limit(clip):
    found = decode_media(clip, config=DecodeConfig(audio_s=0.5))
    assert len(found.audio) == 8_000
    assert found.duration_s == pytest.approx(2.0, abs=0.06)


def test_reads_embedded_subtitles(clip):
    found = decode_media(clip)
    assert found.words == "hello there good bye"
    assert found.cue_count == 2
    assert [(cue.start_s, cue.text) for cue in found.cues] == [(0, "hello there"), (1, "good bye")]
    assert found.streams == ("h264", "aac", "mov_text")


def test_subtitle_file_wins_over_embedded_track(clip, tmp_path):
    beside = tmp_path / "beside.vtt"
    beside.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nfrom the file\n")
    assert decode_media(clip, beside).words == "from the file"


def test_unreadable_subtitle_file_makes_it_partial_and_keeps_embedded_words(clip, tmp_path):
    beside = tmp_path / "beside.srt"
    beside.write_bytes(b"\x00\x01\x02 no subtitles")
    found = decode_media(clip, beside)
    assert found.reason == "subtitles_unreadable"
    assert found.words == "hello there good bye"


def test_thumbnail_is_a_small_jpeg(clip):
    image = Image.open(io.BytesIO(decode_media(clip).thumbnail))
    assert image.format == "JPEG"
    assert image.size == (96, 64)


def test_frames_are_scaled_to_the_short_side(tmp_path):
    clip = bar_clip(tmp_path / "big.mp4", size=(480, 270), seconds=0.4)
    assert decode_media(clip).frames.shape[1:3] == (224, 398)


def test_silent_track_is_no_sound(tmp_path):
    found = decode_media(bar_clip(tmp_path / "silent.mp4", tone_hz=0.0))
    assert len(found.audio) == 0
    assert found.reason == ""


def test_clip_without_sound_has_frames_only(tmp_path):
    found = decode_media(bar_clip(tmp_path / "mute.mp4", tone_hz=None))
    assert len(found.audio) == 0
    assert len(found.frames) == 8


def test_sound_without_picture_has_sound_only(tmp_path):
    found = decode_media(sound_file(tmp_path / "sound.wav"))
    assert len(found.frames) == 0
    assert found.thumbnail == b""
    assert len(found.audio) > 15_000


def test_clip_of_one_frame_gives_one_frame(tmp_path):
    assert len(decode_media(bar_clip(tmp_path / "one.mp4", seconds=0.04)).frames) == 1


def test_words_alone_need_no_media(tmp_path):
    beside = tmp_path / "beside.srt"
    beside.write_text("1\n00:00:00,000 --> 00:00:01,000\nonly words\n")
    found = decode_media(None, beside)
    assert (found.words, len(found.frames), len(found.audio)) == ("only words", 0, 0)


def test_key_frames_suffice_where_there_are_many(tmp_path):
    clip = bar_clip(tmp_path / "long.mp4", seconds=25.0, size=(32, 32), tone_hz=None)
    times = decode_media(clip, config=DecodeConfig(sampling=Uniform(frames=1))).frame_times_s
    assert times == pytest.approx([12.5], abs=5.1)


def test_quarantines_file_cut_before_its_index(clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"truncated: .*claims \d+ bytes, \d+ are left"):
        decode_media(cut)


def test_quarantines_text_named_mp4(tmp_path):
    fake = tmp_path / "fake.mp4"
    fake.write_text("I am not a video.\n" * 100)
    with pytest.raises(MediaError, match=r"not_media: .*first bytes b'I am not'"):
        decode_media(fake)


def test_playlist_renamed_reads_no_other_file(clip, tmp_path):
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match="not_media"):
        decode_media(playlist)
    concat = tmp_path / "concat.mp4"
    concat.write_text(f"ffconcat version 1.0\nfile '{clip}'\n")
    with pytest.raises(MediaError, match="not_media"):
        decode_media(concat)


def test_quarantines_frames_that_are_too_large(clip):
    with pytest.raises(MediaError, match="too_many_pixels: a frame has 96x64 pixels, limit 1000"):
        decode_media(clip, config=DecodeConfig(max_pixels=1000))


def test_quarantines_file_that_is_too_large(clip):
    with pytest.raises(MediaError, match=r"too_large: .* bytes, limit 100$"):
        decode_media(clip, config=DecodeConfig(max_bytes=100))


def test_damaged_packets_make_it_partial(clip, tmp_path):
    raw = bytearray(clip.read_bytes())
    start = raw.find(b"mdat") + 600
    rng = np.random.default_rng(0)
    raw[start : start + 1500] = rng.integers(0, 256, 1500, dtype=np.uint8).tobytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(bytes(raw))
    found = decode_media(broken)
    assert found.reason in {"decode_errors", "truncated"}
    assert len(found.audio) > 0


@pytest.mark.parametrize("length", [0, 1 << 31, (1 << 32) - 1, 0x7FFFF000, (1 << 32) - 37])
def test_sound_from_a_pipe_is_whole(tmp_path, length):
    raw = bytearray(sound_file(tmp_path / "a.wav").read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = length.to_bytes(4, "little")
    (tmp_path / "piped.wav").write_bytes(raw[:-1])
    found = decode_media(tmp_path / "piped.wav")
    assert (found.reason, found.duration_s) == ("", pytest.approx(1.0, abs=0.01))


def test_sound_that_is_cut_off_is_reported(tmp_path):
    raw = sound_file(tmp_path / "a.wav", seconds=4).read_bytes()
    (tmp_path / "cut.wav").write_bytes(raw[: len(raw) // 2])
    assert decode_media(tmp_path / "cut.wav").reason == "truncated"


@pytest.mark.parametrize(
    ("without", "frames", "sound", "words"),
    [("sound", 8, False, "hello"), ("pictures", 0, True, "hello"), ("words", 8, True, "")],
)
def test_part_that_is_left_out_is_not_read(tmp_path, without, frames, sound, words):
    clip = bar_clip(tmp_path / "a.mp4", subtitles=("hello",))
    found = decode_media(clip, without=without)
    assert (len(found.frames), len(found.audio) > 0, found.words) == (frames, sound, words)
