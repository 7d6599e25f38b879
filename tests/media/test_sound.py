from fractions import Fraction

import av
import numpy as np
import pytest

from kinoloop.media.sound import SoundReader


def frame(samples, rate=48_000, layout="mono"):
    packed = np.atleast_2d(samples).astype(np.float32).T.reshape(1, -1)
    block = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    block.sample_rate, block.time_base = rate, Fraction(1, rate)
    return block


def read(*frames, max_s=10.0, silence_rms=0.001):
    reader = SoundReader(16_000, max_s, silence_rms)
    for one in frames:
        reader.add(one)
    return reader, reader.finish()


def test_channels_are_mixed_and_rate_is_changed():
    both = np.stack([np.full(48_000, 0.5), np.full(48_000, 0.1)])
    _, sound = read(frame(both, layout="stereo"))
    assert len(sound) == pytest.approx(16_000, abs=40)
    assert np.median(sound) == pytest.approx(0.3, abs=0.02)


def test_stream_that_changes_its_layout_is_read_on():
    _, sound = read(frame(np.full(48_000, 0.5)), frame(np.full((2, 44_100), 0.5), 44_100, "stereo"))
    assert len(sound) == pytest.approx(32_000, abs=80)


def test_short_frames_and_gaps_between_them_change_no_sample():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44_100)).astype(np.float32)
    cut = [frame(sound[:, at : at + 1024], 44_100, "stereo") for at in range(0, 44_100, 1024)]
    for i, one in enumerate(cut):
        one.pts = 5000 * i
    _, whole = read(frame(sound, 44_100, "stereo"))
    _, pieces = read(*cut)
    np.testing.assert_array_equal(pieces, whole)


def test_sound_is_silence_only_where_no_second_is_louder():
    quiet = np.zeros(48_000)
    loud = np.concatenate([quiet, quiet, np.full(4_800, 0.01)])
    assert len(read(frame(quiet))[1]) == 0
    assert len(read(frame(loud))[1]) > 30_000


def test_values_that_are_no_numbers_are_silence_and_others_are_clipped():
    odd = np.full(48_000, 5.0)
    odd[:1000] = np.nan
    _, sound = read(frame(odd))
    assert np.isfinite(sound).all()
    assert sound.max() == 1


def test_reads_up_to_its_limit():
    reader, sound = read(frame(np.full(96_000, 0.5)), max_s=0.5)
    assert reader.full
    assert len(sound) == 8_000


def tone(hertz=440.0, seconds=1.0):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(48_000 * seconds)) / 48_000)


@pytest.mark.parametrize(
    ("layout", "channels"),
    [
        ("stereo", [1, -1]),
        ("stereo", [1, -0.9]),
        ("quad", [1, -1, 1, -1]),
        ("5.1", [1, -1, 0, 0, 0, 0]),
        ("5.1", [0, 0, 1, 0, 0, 0]),
        ("7.1", [0, 0, 1, 0, 0, 0, 0, 0]),
        ("hexadecagonal", [0] * 15 + [1]),
    ],
)
def test_sound_that_the_mix_would_lose_is_heard(layout, channels):
    _, sound = read(frame(np.outer(channels, tone()), layout=layout))
    assert np.abs(sound).max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("layout", ["7.1", "hexadecagonal"])
def test_eight_and_more_channels_are_mixed(layout):
    n = 8 if layout == "7.1" else 16
    _, sound = read(frame(np.tile(tone(), (n, 1)), layout=layout))
    assert np.abs(sound).max() == pytest.approx(0.3, abs=0.02)
    assert len(sound) == pytest.approx(16_000, abs=40)


def test_channel_that_is_quiet_beside_others_is_mixed_in():
    _, sound = read(frame(np.stack([tone(440), 0.5 * tone(1000)]), layout="stereo"))
    spectrum = np.abs(np.fft.rfft(sound[:16_000]))
    assert spectrum[1000] == pytest.approx(0.5 * spectrum[440], rel=0.1)


def test_no_frames_give_no_sound():
    assert len(read()[1]) == 0
