"""Perceptual hashes of pictures and sound: near alike where a person sees or hears the same.

A picture's hash is 64 bits: the signs of its coarsest cosine waves around their median. Another
codec, size or aspect ratio changes a few of them, another picture half. Black bars are cut off
first, by what stays black over the whole video. Pictures are taken on a grid in time that starts at
half a second and doubles whenever `MAX_PICTURES` are full, so a clip has two per second and an hour
one in sixteen seconds.

A sound's hash is 32 bits for each 46 ms of its first half minute: whether the energy differences
between neighbouring bands of 300 to 2,000 Hz rise or fall. 0 stands for silence.

Source: pictures, Zauner, "Implementation and benchmarking of perceptual image hash functions",
2010, section 3.2 (DCT hash); sound, Haitsma and Kalker, "A highly robust audio fingerprinting
system", 2002.
"""

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from kinoloop.media.shots import find_cuts

PRINTS_VERSION = 3
"""Raised whenever the same picture or sound starts to give another hash."""

MAX_PICTURES = 240
STEP_S = 0.5
SIDE = 96
"""Pixels of the grey square that a picture is squeezed to before bars are looked for."""

BAR_LIGHT = 28
"""A row or column that never gets lighter than this, of 255, may belong to a black bar."""

MAX_BAR = 0.35
"""Share of a side that one bar can take; what is black beyond that is a dark picture."""

FLAT = 6.0
"""A picture whose grey values spread less than this says nothing, and is not hashed."""

SOUND_S = 30.0
_LOWEST_HZ = 288
_WIDTH_HZ = 1728
"""Of the part of the spectrum that is looked at, cut out and moved down to 0 Hz: as complex numbers
it needs a third of the samples that sound up to 2 kHz would."""

_WINDOW = 640
_HOP = 80
SOUND_HOP_S = _HOP / _WIDTH_HZ
_BIN_HZ = _WIDTH_HZ / _WINDOW
_EDGES = np.round((np.geomspace(300, 2000, 34) - _LOWEST_HZ) / _BIN_HZ).astype(np.int64)
"""Of the 33 bands, bins."""

_WAVES = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64).astype(np.float32) / 4
_WAVES[0] /= np.sqrt(2)
"""The 8 coarsest cosine waves over 32 points (DCT-II, orthonormal); plain numpy, since importing
scipy takes a worker several times as long as decoding a clip."""


class PictureTaker:
    """Takes pictures from a stream of decoded frames as they pass, and hashes them at the end."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()  # keeps its context: making one costs more than scaling
        self._step_s = STEP_S
        self._taken: list[tuple[float, NDArray[np.uint8]]] = []

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        """Take the next frame, and keep it if one is due."""
        if not self._taken or time_s >= self._taken[-1][0] + self._step_s - 1e-3:
            self._take(time_s, frame)

    @property
    def cuts_s(self) -> list[float]:
        """When another shot begins, seconds, of what was taken."""
        return find_cuts([t for t, _ in self._taken], [picture for _, picture in self._taken])

    def _take(self, time_s: float, frame: av.VideoFrame) -> None:
        small = self._scaler.reformat(
            frame, width=SIDE, height=SIDE, format="gray", interpolation="AREA", threads=1
        )
        upright = np.rot90(small.to_ndarray(), round(frame.rotation / 90) % 4)
        self._taken.append((time_s, np.ascontiguousarray(upright)))
        if len(self._taken) > MAX_PICTURES:
            self._taken = self._taken[::2]
            self._step_s *= 2

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return times in seconds and hashes of the pictures that say something, both (n,)."""
        return hash_pictures([t for t, _ in self._taken], [picture for _, picture in self._taken])


def hash_pictures(
    times_s: list[float], pictures: list[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Hash the pictures of one video.

    Args:
        times_s: Of each picture.
        pictures: (SIDE, SIDE) uint8 grey values each.

    Returns:
        Times (n,) float32 and hashes (n,) int64 of those that are not flat.
    """
    if not pictures:
        return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
    stack = np.stack(pictures)
    rows, columns = _without_bars(stack.max(axis=(0, 2))), _without_bars(stack.max(axis=(0, 1)))
    inside = stack[:, rows, columns]
    lively = np.flatnonzero(inside.reshape(len(inside), -1).std(axis=1) >= FLAT)
    return np.array(times_s, dtype=np.float32)[lively], _hash(inside[lively])


def hash_sound(audio: NDArray[np.float32], rate: int) -> NDArray[np.int32]:
    """Hash the first half minute of a sound.

    Args:
        audio: (n,) float32 mono in [-1, 1].
        rate: Samples per second.

    Returns:
        (m,) int32, one for each `SOUND_HOP_S`; 0 where it is silent. Empty without sound.
    """
    band = _band(audio[: int(SOUND_S * rate)], rate)
    if len(band) < _WINDOW + _HOP:
        return np.zeros(0, dtype=np.int32)
    windows = np.lib.stride_tricks.sliding_window_view(band, _WINDOW)[::_HOP]
    spectra = np.fft.fft(windows * np.hanning(_WINDOW).astype(np.float32), axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    energy = np.add.reduceat(power, _EDGES, axis=1)[:, :-1]
    bands = energy[:, :-1] - energy[:, 1:]
    bits = bands[1:] > bands[:-1]
    packed = np.packbits(bits, axis=1, bitorder="little").view("<i4")[:, 0]
    loud = energy[1:].sum(axis=1)
    heard: NDArray[np.int32] = np.where(loud > 1e-4 * max(float(loud.max()), 1e-3), packed, 0)
    return heard.astype(np.int32)


def _band(audio: NDArray[np.float32], rate: int) -> NDArray[np.complex64]:
    """Cut a sound to its part from `_LOWEST_HZ` on, `_WIDTH_HZ` complex samples per second."""
    if not len(audio):
        return np.zeros(0, dtype=np.complex64)
    seconds = -(-len(audio) // rate)  # filled up with silence: an odd length transforms slowly
    spectrum = np.fft.rfft(audio, seconds * rate)
    first, width = _LOWEST_HZ * seconds, _WIDTH_HZ * seconds
    moved = np.fft.ifft(spectrum[first : first + width], width) * (2 * _WIDTH_HZ / rate)
    return moved[: len(audio) * _WIDTH_HZ // rate].astype(np.complex64)


def _without_bars(lightest: NDArray[np.uint8]) -> slice:
    """Return what is left of a side when the bars at its two ends are cut off."""
    lit = np.flatnonzero(lightest > BAR_LIGHT)
    longest = int(MAX_BAR * len(lightest))
    if not len(lit) or lit[0] > longest or len(lightest) - 1 - lit[-1] > longest:
        return slice(0, len(lightest))
    return slice(int(lit[0]), int(lit[-1]) + 1)


def _hash(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """One hash per picture, (n,)."""
    if not len(pictures):
        return np.zeros(0, dtype=np.int64)
    small = [
        np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BOX)) for one in pictures
    ]
    coarse = (_WAVES @ np.stack(small).astype(np.float32) @ _WAVES.T).reshape(len(small), 64)
    coarse[:, 0] = 0  # the mean light
    bits = coarse > np.median(coarse[:, 1:], axis=1, keepdims=True)
    hashes: NDArray[np.int64] = np.packbits(bits, axis=1).view(">i8")[:, 0].astype(np.int64)
    return hashes
