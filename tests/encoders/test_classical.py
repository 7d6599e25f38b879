import numpy as np

from kinoloop.encoders.blocks import histogram, join, numbers
from kinoloop.encoders.classical_audio import ClassicalAudio
from kinoloop.encoders.classical_audio import describe as describe_sound
from kinoloop.encoders.classical_visual import ClassicalVisual
from kinoloop.encoders.classical_visual import describe as describe_pictures
from kinoloop.testing.clips import tone
from kinoloop.testing.encoder_contract import EncoderContract

RATE = 16_000


class TestClassicalVisual(EncoderContract):
    encoder = ClassicalVisual
    changes_vectors = {"side": 64}


class TestClassicalAudio(EncoderContract):
    encoder = ClassicalAudio


def pictures(colour, *, stripes=0, moving=False, n=4):
    frames = np.full((n, 64, 64, 3), colour, dtype=np.uint8)
    for i in range(n):
        for left in range(0, 64, stripes or 64):
            start = left + (i * 5 if moving else 0)
            if stripes:
                frames[i, :, start % 64 : start % 64 + stripes // 2] //= 2
    return frames


def see(frames):
    return describe_pictures(frames, side=96)


def hear(sound):
    return describe_sound(sound.astype(np.float32), RATE)


def test_same_look_at_another_size_is_nearly_the_same():
    small = pictures((200, 40, 30), stripes=16)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert see(small) @ see(large) > 0.99


def test_colour_pattern_and_motion_each_count():
    base = see(pictures((200, 40, 30), stripes=16))
    hue = see(pictures((30, 60, 200), stripes=16))
    plain = see(pictures((200, 40, 30)))
    moving = see(pictures((200, 40, 30), stripes=16, moving=True))
    assert base @ moving > base @ plain > base @ hue
    assert base @ moving < 0.99


def test_unlike_looks_are_far_apart():
    assert see(pictures((250, 250, 250))) @ see(pictures((10, 10, 120), stripes=8)) < 0.2


def test_one_frame_has_no_motion_and_is_described():
    assert np.isfinite(see(pictures((1, 2, 3), n=1))).all()


def test_pitch_loudness_and_noise_each_count():
    rng = np.random.default_rng(0)
    high, low = tone(880, 3.0)[: RATE * 3], tone(220, 3.0)[: RATE * 3]
    noise = 0.2 * rng.standard_normal(RATE * 3)
    assert hear(low) @ hear(0.5 * low) > hear(low) @ hear(high) > hear(low) @ hear(noise)


def test_two_takes_of_one_sound_are_nearly_the_same():
    one, two = (0.2 * np.random.default_rng(s).standard_normal(RATE * 4) for s in (1, 2))
    assert hear(one) @ hear(two) > 0.95


def test_histogram_block_is_centred_and_of_its_weight():
    block = histogram(np.array([4.0, 1.0, 0.0]), 0.5)
    assert abs(block.sum()) < 1e-6
    assert abs(np.linalg.norm(block) - 0.5) < 1e-6
    assert not histogram(np.ones(4), 1.0).any()


def test_numbers_block_counts_spreads_from_the_usual():
    np.testing.assert_allclose(numbers([12.0, 8.0], [10.0, 10.0], [2.0, 1.0]) * 2**0.5, [1, -2])
    np.testing.assert_allclose(numbers([1e9, float("nan")], 0.0, 1.0) * 2**0.5, [3, 0])


def test_joined_blocks_have_length_one_even_when_all_are_zero():
    assert np.linalg.norm(join([np.zeros(3, np.float32)])) == 1
