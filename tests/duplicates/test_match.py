import numpy as np

from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.duplicates.match import Print, match

CONFIG = DuplicatesConfig()
STEP_S = 0.5


def film(seed, n=20):
    """Hashes of n shots that have nothing in common."""
    return np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, n, dtype=np.int64)


def noise(hashes, flips, seed=9):
    """The hashes with some bits of each turned over."""
    rng = np.random.default_rng(seed)
    bits = hashes.view(np.uint64).copy()
    for i in range(len(bits)):
        for bit in rng.choice(64, flips, replace=False):
            bits[i] ^= np.uint64(1) << np.uint64(bit)
    return bits.view(np.int64)


def sound(seed, seconds=10.0):
    n = int(seconds * 21.5)
    return np.random.default_rng(seed).integers(1, 2**31 - 1, n, dtype=np.int32)


def video(pictures, sound_print=None):
    times = (np.arange(len(pictures)) * STEP_S).astype(np.float32)
    heard = np.zeros(0, np.int32) if sound_print is None else sound_print
    return Print(times, pictures, heard, len(pictures) * STEP_S)


def proves(a, b):
    how = match(a, b, max_bits=CONFIG.max_bits)
    return how is not None and how.proves(CONFIG)


def test_recoded_copy_is_the_same():
    how = match(video(film(1)), video(noise(film(1), 6)), max_bits=12)
    assert how.offset_s == 0
    assert how.share == how.overlap == 1.0
    assert how.proves(CONFIG)


def test_a_cut_of_it_is_the_same_and_its_offset_is_found():
    how = match(video(film(1)), video(noise(film(1)[8:], 5)), max_bits=12)
    assert abs(how.offset_s - 8 * STEP_S) < 0.3
    assert how.overlap == 1.0
    assert how.proves(CONFIG)


def test_another_film_is_not():
    assert not proves(video(film(1)), video(film(2)))


def test_a_common_opening_is_not_enough():
    other = np.concatenate([film(1)[:5], film(2)[:15]])
    assert not proves(video(film(1)), video(other))


def test_one_still_picture_with_another_sound_is_not_the_same():
    still = np.repeat(film(1)[:1], 20)
    assert not proves(video(still, sound(1)), video(still, sound(2)))
    assert proves(video(still, sound(1)), video(still, sound(1)))


def test_a_dubbed_film_is_the_same():
    assert proves(video(film(1), sound(1)), video(noise(film(1), 4), sound(2)))


def test_sound_is_compared_at_the_offset_of_the_pictures():
    heard = sound(1)
    later = round(8 * STEP_S * 21.533203125)
    how = match(video(film(1), heard), video(film(1)[8:], heard[later:]), max_bits=12)
    assert how.sound > 0.99


def test_videos_without_pictures_in_common_do_not_match():
    nothing = Print(np.zeros(0, np.float32), np.zeros(0, np.int64), sound(1), 3.0)
    assert match(nothing, video(film(1)), max_bits=12) is None
