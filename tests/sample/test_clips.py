import av
import numpy as np

from kinoloop.sample.clips import spread_cues, write_clip, write_side_file
from kinoloop.sample.sounds import SAMPLE_RATE, SYNTHS, render_sound
from kinoloop.sample.topics import STYLES, TOPICS


def test_clip_has_h264_aac_and_subtitles_that_decode(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), dtype=np.uint8)
    sound = np.sin(np.arange(SAMPLE_RATE) / 20)
    path = tmp_path / "clip.mp4"
    write_clip(path, frames, fps=12, sound=sound, cues=spread_cues(["Hello", "you — there"], 1.0))
    with av.open(str(path)) as container:
        kinds = [stream.codec_context.name for stream in container.streams]
        assert kinds == ["h264", "aac", "mov_text"]
        assert sum(1 for _ in container.decode(video=0)) == 12
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.subtitles[0]) if p.size]
        lines = [line.dialogue.decode() for p in packets for line in p.decode()]
        assert lines == ["Hello", "you — there"]


def test_clip_without_sound_has_one_stream(tmp_path):
    write_clip(tmp_path / "clip.mp4", np.zeros((6, 32, 32, 3), dtype=np.uint8), fps=12)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_side_files_are_subrip_or_webvtt_by_their_ending(tmp_path):
    cues = spread_cues(["one", "two"], 4.0)
    write_side_file(tmp_path / "a.srt", cues)
    write_side_file(tmp_path / "a.vtt", cues)
    assert (tmp_path / "a.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:01,950\none\n")
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.950")


def test_every_topic_sounds_different():
    spectra = []
    for topic in TOPICS:
        signal = SYNTHS[topic.name](np.arange(16_000) / SAMPLE_RATE, np.random.default_rng(0))
        bands = np.abs(np.fft.rfft(signal))[:8000].reshape(80, 100).mean(axis=1)
        spectra.append(bands / np.linalg.norm(bands))
    likeness = np.stack(spectra) @ np.stack(spectra).T - np.eye(len(TOPICS))
    assert likeness.max() < 0.999


def test_sound_stays_in_range_for_every_style():
    for style in STYLES:
        signal = render_sound("ocean", style, 1.0, np.random.default_rng(1))
        assert len(signal) == SAMPLE_RATE
        assert 0.1 < np.abs(signal).max() <= 1.0
