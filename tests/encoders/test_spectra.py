import numpy as np
import pytest

from kinoloop.encoders import spectra

RATE = 16_000


@pytest.fixture(scope="module")
def sound():
    """Two seconds: a chirp in noise, twice as loud in its second half."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE * 2) / RATE
    chirp = np.sin(2 * np.pi * (200 * t + 700 * t**2))
    return (0.1 * (1 + (t > 1)) * (chirp + 0.2 * rng.standard_normal(len(t)))).astype(np.float32)


@pytest.mark.slow  # librosa compiles on its first import
def test_definitions_are_those_of_librosa(sound):
    librosa = pytest.importorskip("librosa")
    magnitude = np.abs(librosa.stft(sound, n_fft=spectra.N_FFT, hop_length=spectra.HOP))
    power = spectra.power_spectra(sound)
    np.testing.assert_allclose(np.sqrt(power), magnitude, atol=1e-4)
    mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=spectra.N_MELS)
    np.testing.assert_allclose(spectra.mel_filters(RATE) @ power, mel, rtol=1e-3, atol=1e-6)
    decibels = spectra.mel_decibels(power, RATE)
    np.testing.assert_allclose(decibels, librosa.power_to_db(mel), atol=1e-2)
    mfcc = librosa.feature.mfcc(S=decibels, n_mfcc=20)
    np.testing.assert_allclose(spectra.mfcc(decibels, 20), mfcc, atol=1e-3)
    np.testing.assert_allclose(spectra.deltas(mfcc), librosa.feature.delta(mfcc), atol=1e-3)
    np.testing.assert_allclose(
        spectra.centroid(magnitude, RATE),
        librosa.feature.spectral_centroid(S=magnitude, sr=RATE)[0],
        rtol=1e-3,
    )
    np.testing.assert_allclose(
        spectra.rolloff(magnitude, RATE),
        librosa.feature.spectral_rolloff(S=magnitude, sr=RATE)[0],
        atol=16,
    )
    np.testing.assert_allclose(
        spectra.flatness(power), librosa.feature.spectral_flatness(S=magnitude)[0], rtol=1e-3
    )


def test_tone_has_its_pitch_centroid_and_class():
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    power = spectra.power_spectra(tone)
    assert np.argmax(spectra.chroma(power, RATE)) == 9  # A
    assert np.median(spectra.centroid(np.sqrt(power), RATE)) == pytest.approx(440, abs=10)
    assert np.median(spectra.flatness(power)) < 0.01


def test_noise_is_flat():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert np.median(spectra.flatness(spectra.power_spectra(noise))) > 0.4


def test_contrast_tells_a_tone_from_noise():
    t = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 500 * t).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    in_tone, in_noise = (
        spectra.contrast(np.sqrt(spectra.power_spectra(s)), RATE).mean(axis=1)[2]
        for s in (tone, noise)
    )
    assert in_tone > in_noise + 10


def test_clicks_have_their_tempo():
    sound = np.random.default_rng(0).standard_normal(RATE * 8).astype(np.float32) * 1e-3
    for beat in range(16):
        sound[beat * RATE // 2 : beat * RATE // 2 + 400] += 0.5  # every half second
    tempo, clarity = spectra.pulse(spectra.mel_decibels(spectra.power_spectra(sound), RATE), RATE)
    assert tempo == pytest.approx(120, rel=0.06)
    assert clarity > 0.3


def test_sound_too_short_for_a_pulse_or_a_slope_has_none():
    decibels = np.zeros((spectra.N_MELS, 3))
    assert spectra.pulse(decibels, RATE) == (0.0, 0.0)
    assert not spectra.deltas(decibels).any()
