import av
import numpy as np
from PIL import Image

from kinoloop.media.decode import decode_media
from kinoloop.media.prints import MAX_PICTURES, SIDE, PictureTaker, hash_pictures, hash_sound
from kinoloop.testing.clips import bar_clip, tone

RATE = 16_000


def scene(seed, side=SIDE):
    """A random landscape of soft blobs, grey."""
    rough = np.random.default_rng(seed).uniform(20, 235, (9, 9)).astype(np.uint8)
    return np.asarray(Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC))


def one(picture):
    (code,) = hash_pictures([0.0], [picture])[1].view(np.uint64)
    return code


def bits(a, b):
    return int(np.bitwise_count(one(a) ^ one(b)))


def test_same_picture_noisy_darker_or_rescaled_keeps_its_hash():
    base = scene(1)
    noise = np.random.default_rng(0).normal(0, 6, base.shape)
    rescaled = np.asarray(Image.fromarray(base).resize((40, 40)).resize((SIDE, SIDE)))
    for other in (np.clip(base + noise, 0, 255), base * 0.7 + 10, rescaled):
        assert bits(base, other.astype(np.uint8)) <= 8


def test_other_pictures_differ_in_about_half_the_bits():
    apart = [bits(scene(i), scene(i + 1)) for i in range(20)]
    assert min(apart) > 14
    assert 26 < np.mean(apart) < 38


def test_black_bars_do_not_count():
    base = scene(3)
    barred = np.zeros_like(base)
    barred[16:80] = np.asarray(Image.fromarray(base).resize((SIDE, 64)))
    assert bits(base, barred) <= 8


def test_flat_pictures_are_left_out():
    flat = np.full((SIDE, SIDE), 90, dtype=np.uint8)
    times, hashes = hash_pictures([0.0, 1.0], [flat, scene(1)])
    assert times.tolist() == [1.0]
    assert hashes.shape == (1,)
    assert len(PictureTaker().finish()[1]) == 0


def test_a_clip_gives_two_pictures_a_second_and_its_sound(tmp_path):
    found = decode_media(bar_clip(tmp_path / "a.mp4", seconds=3.0))
    np.testing.assert_allclose(np.diff(found.print_times_s), 0.5, atol=0.05)
    assert found.picture_print.dtype == np.int64
    assert len(found.sound_print) > 50


def test_a_long_video_is_looked_at_more_rarely():
    frame = av.VideoFrame.from_ndarray(scene(1), format="gray")
    taker = PictureTaker()
    for i in range(4 * MAX_PICTURES):
        taker.offer(i * 0.5, frame)
    times, _ = taker.finish()
    assert MAX_PICTURES / 2 <= len(times) <= MAX_PICTURES
    assert times[-1] > 450
    assert set(np.diff(times)) == {2.0}


def chirp(seed, seconds=6.0):
    """A melody of random notes with overtones."""
    rng = np.random.default_rng(seed)
    notes = rng.choice([220, 262, 294, 330, 392, 440, 523, 587], size=int(seconds * 4))
    parts = [tone(hz, 0.25) + 0.4 * tone(2 * hz, 0.25) + 0.2 * tone(3 * hz, 0.25) for hz in notes]
    return np.concatenate(parts).astype(np.float32)


def equal(a, b):
    n = min(len(a), len(b))
    return 1 - np.bitwise_count((a[:n] ^ b[:n]).view(np.uint32)).mean() / 32


def test_sound_keeps_its_hash_when_quieter_and_noisy_and_another_does_not():
    base = chirp(1)
    noise = np.random.default_rng(0).normal(0, 0.005, len(base)).astype(np.float32)
    print_ = hash_sound(base, 44_100)
    assert equal(print_, hash_sound(0.4 * base + noise, 44_100)) > 0.75
    assert equal(print_, hash_sound(chirp(2), 44_100)) < 0.65


def test_sound_has_the_same_hash_at_another_rate():
    base = chirp(1)
    assert equal(hash_sound(base, 44_100), hash_sound(base[::2], 22_050)) > 0.9


def test_silence_and_a_blink_of_sound_have_no_hash():
    assert not hash_sound(np.zeros(RATE * 3, dtype=np.float32), RATE).any()
    assert len(hash_sound(np.zeros(100, dtype=np.float32), RATE)) == 0
