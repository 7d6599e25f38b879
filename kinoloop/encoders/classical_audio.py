"""What a video sounds like without a learned model: MFCC, their change, spectrum, pitch, rhythm.

About 20 ms for ten seconds of sound on one core, no download, 100 numbers. It tells speech from
music, noise and tones, and their colour; it does not know the words. Set `hf_audio` for meaning.

Source: Tzanetakis and Cook, "Musical genre classification of audio signals", 2002, for the set of
measurements and their mean and spread over time; `kinoloop.encoders.spectra` for each of them.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders import spectra
from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, ModalityName
from kinoloop.encoders.blocks import given_back, histogram, join, numbers
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.encoders.pretrained import encode_present
from kinoloop.media.content import VideoContent

CODE_VERSION = 1
N_MFCC = 20

# Usual value and spread of each measurement: mean and standard deviation, rounded, over 25 real
# clips with speech, music, machines, animals and water (16 kHz mono). They set what "average sound"
# is; the text above `kinoloop.encoders.blocks` says why that matters.
_MFCC_MEAN = (
    [-210, 52, -7, 9, -6, 3, -4, 2, -2, 0, -2, 0, -2, -1, -3, 0, -2, 0, -2, 0],
    [105, 35, 19, 13, 9, 8, 6, 5, 4.5, 4, 4, 3.3, 3.4, 2.8, 3.1, 2.6, 2.3, 2, 2.3, 2.1],
)
_MFCC_SPREAD = (
    [62, 20, 15, 11, 9.5, 8, 7, 7, 6.5, 6.3, 6, 5.8, 5.5, 5, 5, 4.7, 4.9, 5, 5, 4.8],
    [41, 10, 9, 5, 4, 3.4, 2.7, 3, 2.5, 2.3, 2.1, 2.3, 2, 1.5, 1.3, 1.4, 1.7, 1.8, 2.2, 1.6],
)
_MFCC_SLOPE = (
    [9, 2.9, 2.2, 1.7, 1.4, 1.2, 1.1, 1, 1, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.8, 0.7],
    [5, 1.7, 1.2, 0.9, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4, *[0.3] * 10],
)
_CONTRAST_MEAN = ([15, 11, 14, 17, 17, 19, 18], [3.2, 2.6, 2.9, 3.1, 3.1, 6, 4.7])
_CONTRAST_SPREAD = ([5.2, 4, 4.3, 4.6, 4, 4.3, 3.9], [0.9, 1, 1, 1.6, 1.8, 2.5, 1.7])
_SHAPE = (  # as `_shape` returns them
    [2170, 490, 4190, 840, 0.12, 0.056, 0.19, 0.078, -32, 7.5, 0.08],
    [840, 260, 1540, 520, 0.12, 0.033, 0.1, 0.036, 15, 4.3, 0.14],
)
_PULSE = ([104, 0.17], [33, 0.15])


class ClassicalAudioConfig(EncoderConfig):
    """Nothing to set: the measurements and their scales belong together."""

    kind: Literal["classical_audio"] = "classical_audio"


@ENCODERS.register("classical_audio")
class ClassicalAudio(Encoder[ClassicalAudioConfig]):
    """Describes the sound of a video.

    Args:
        config: Only its kind.
    """

    Config: ClassVar[type[EncoderConfig]] = ClassicalAudioConfig
    modality: ClassVar[ModalityName] = "audio"

    def __init__(self, config: ClassicalAudioConfig) -> None:
        self.config = config
        self.dim: int = len(describe(np.zeros(spectra.N_FFT, dtype=np.float32), 16_000))
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: ClassicalAudioConfig) -> str:
        """Name the vector space."""
        facts = {"code": CODE_VERSION, "libraries": library_versions("scipy")}
        return fingerprint({"family": config.kind, **facts})

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Describe the sound of each video; a video without sound is missing."""
        present = np.array([len(content.audio) > 0 for content in contents], dtype=np.bool_)
        return encode_present(
            [(content.audio, content.sample_rate) for content in contents],
            present,
            dim=self.dim,
            encode=lambda some: np.stack([describe(audio, rate) for audio, rate in some]),
        )


def describe(audio: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Describe one sound.

    Args:
        audio: (n,) float32 mono in [-1, 1].
        rate: Samples per second.

    Returns:
        (dim,) float32, L2-normalised.
    """
    audio = np.pad(audio, (0, max(0, spectra.N_FFT - len(audio))))
    power = spectra.power_spectra(audio)
    magnitude = np.sqrt(power)
    decibels = spectra.mel_decibels(power, rate)
    coefficients = spectra.mfcc(decibels, N_MFCC)
    slopes = spectra.deltas(coefficients)
    bands = spectra.contrast(magnitude, rate)
    return join(
        [
            numbers(coefficients.mean(axis=1), *_MFCC_MEAN, weight=1.0),
            numbers(coefficients.std(axis=1), *_MFCC_SPREAD, weight=0.6),
            numbers(slopes.std(axis=1), *_MFCC_SLOPE, weight=0.4),
            numbers(bands.mean(axis=1), *_CONTRAST_MEAN, weight=0.5),
            numbers(bands.std(axis=1), *_CONTRAST_SPREAD, weight=0.3),
            numbers(_shape(audio, power, rate), *_SHAPE, weight=0.8),
            histogram(spectra.chroma(power, rate), 0.5),
            numbers(spectra.pulse(decibels, rate), *_PULSE, weight=0.3),
        ]
    )


def audio_measures(vectors: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Read descriptors back as plain numbers, each (n,).

    Args:
        vectors: (n, dim) float32 as `describe` gives them.

    Returns:
        `decibels` (mean loudness, 0 is full scale), `flatness` (1 is noise, 0 a tone) and `pulse`
        (0 no beat, 1 a steady one).
    """
    shape = given_back(vectors, slice(-26, -15), *_SHAPE, weight=0.8)
    pulse = given_back(vectors, slice(-3, -1), *_PULSE, weight=0.3)
    return {"decibels": shape[:, 8], "flatness": shape[:, 4], "pulse": pulse[:, 1]}


def _shape(audio: NDArray[np.float32], power: NDArray[np.float64], rate: int) -> list[float]:
    """Centre, width and noisiness of the spectrum, zero crossings, loudness and its changes."""
    magnitude = np.sqrt(power)
    loud = power.sum(axis=0) >= 1e-6 * power.sum(axis=0).max()
    centre = spectra.centroid(magnitude, rate)[loud]
    rolled = spectra.rolloff(magnitude, rate)[loud]
    flat = spectra.flatness(power)[loud]
    windows = np.lib.stride_tricks.sliding_window_view(audio, spectra.N_FFT)[:: spectra.HOP]
    crossings = (np.diff(np.signbit(windows), axis=1) != 0).mean(axis=1)
    decibels = 10 * np.log10(np.maximum(np.square(windows).mean(axis=1), 1e-8))
    return [
        *(measure for x in (centre, rolled) for measure in (x.mean(), x.std())),
        *(measure for x in (flat, crossings, decibels) for measure in (x.mean(), x.std())),
        float((decibels < decibels.max() - 30).mean()),
    ]
