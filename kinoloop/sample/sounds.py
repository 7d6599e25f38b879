"""What each topic sounds like: one synthesiser per topic, one treatment per style.

All of it is numpy arithmetic on a mono float signal; nothing is recorded and nothing is licensed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz; what speech models read, and small

Signal = NDArray[np.float64]
Synth = Callable[[Signal, np.random.Generator], Signal]


def render_sound(topic: str, style: str, seconds: float, rng: np.random.Generator) -> Signal:
    """Synthesise the sound of a clip.

    Args:
        topic: Name of a topic.
        style: One of `topics.STYLES`.
        seconds: Length.
        rng: Source of all that varies.

    Returns:
        (n_samples,) float64 mono in [-1, 1] at `SAMPLE_RATE`.
    """
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    signal = _level(SYNTHS[topic](t, rng))
    if style == "tutorial":
        signal = 0.4 * signal + 0.8 * _speech(t, rng, pitch=rng.uniform(110, 220))
    elif style == "calm":
        signal = 0.35 * _smooth(signal, 6) * np.minimum(1, t / 1.0)
    elif style == "hype":
        signal = 0.8 * signal + 0.5 * _kick(t, 60 / rng.uniform(140, 170))
    else:
        signal = 0.4 * _smooth(signal, 10) + 0.6 * _speech(t, rng, pitch=rng.uniform(80, 120))
    return np.clip(_level(signal) * (0.3 if style == "calm" else 0.7), -1, 1)


def _level(signal: Signal) -> Signal:
    return signal / max(float(np.abs(signal).max()), 1e-9)


def _noise(t: Signal, rng: np.random.Generator) -> Signal:
    return rng.standard_normal(len(t))


def _smooth(signal: Signal, width: int) -> Signal:
    """Smooth by a moving average: the cheapest low-pass."""
    return np.convolve(signal, np.ones(width) / width, mode="same")


def _bursts(t: Signal, starts: Signal, decay_s: float) -> Signal:
    """Exponential envelopes that begin at `starts`, summed."""
    since = t[None, :] - starts[:, None]
    envelopes = np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay_s), 0)
    return np.asarray(envelopes.sum(axis=0))


def _kick(t: Signal, period: float) -> Signal:
    phase = t % period
    tone = np.sin(2 * np.pi * (50 * phase + 4 * (1 - np.exp(-phase * 30))))
    return np.asarray(tone * np.exp(-phase * 12))


def _notes(t: Signal, pitches: Signal, step: float, rng: np.random.Generator) -> Signal:
    """One pitch a step, Hz, picked at random; constant within the step."""
    which = rng.integers(0, len(pitches), size=int(t[-1] / step) + 1)
    return np.asarray(pitches[which][(t / step).astype(int)])


def _speech(t: Signal, rng: np.random.Generator, *, pitch: float) -> Signal:
    """Syllables: a buzz through a moving vowel formant, with pauses between phrases."""
    wobble = pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(wobble) / SAMPLE_RATE
    formant = _notes(t, np.array([400.0, 600.0, 800.0, 1100.0]), 0.18, rng)
    harmonics = np.arange(1, 14)[:, None]
    gains = np.exp(-(((harmonics * pitch - formant[None, :]) / 250) ** 2)) + 0.05
    buzz = np.sum(gains * np.sin(harmonics * phase[None, :]), axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 4.5 * t), 0, None) ** 0.5
    phrases = np.sin(2 * np.pi * 0.45 * t + rng.uniform(0, 2)) > -0.5
    return _level(buzz * syllables * phrases)


def _sizzle(t: Signal, rng: np.random.Generator) -> Signal:
    noise = _noise(t, rng)
    hiss = noise - _smooth(noise, 8)
    crackles = _bursts(t, rng.uniform(0, t[-1], 60), 0.004) * hiss
    clinks = _bursts(t, rng.uniform(0, t[-1], 4), 0.08) * np.sin(2 * np.pi * 2600 * t)
    return 0.25 * hiss + crackles + 0.5 * clinks


def _birds(t: Signal, rng: np.random.Generator) -> Signal:
    starts = np.sort(rng.uniform(0, t[-1], 14))
    base = _notes(t, np.array([2200.0, 2900.0, 3600.0]), 0.3, rng)
    warble = base * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(14, 26) * t))
    chirp = np.sin(2 * np.pi * np.cumsum(warble) / SAMPLE_RATE)
    return chirp * _bursts(t, starts, 0.06) + 0.02 * _noise(t, rng)


def _rails(t: Signal, rng: np.random.Generator) -> Signal:
    period = rng.uniform(0.45, 0.6)
    starts = np.arange(0, t[-1], period)
    clack = _bursts(t, np.sort(np.concatenate([starts, starts + 0.12])), 0.02)
    return clack * _smooth(_noise(t, rng), 4) + 0.8 * _smooth(_noise(t, rng), 60)


def _surf(t: Signal, rng: np.random.Generator) -> Signal:
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * t / rng.uniform(2.2, 3.4) + rng.uniform(0, 6))
    return _smooth(_noise(t, rng), 12) * (0.1 + swell**2)


def _rain(t: Signal, rng: np.random.Generator) -> Signal:
    thunder = _smooth(_smooth(_noise(t, rng), 150), 90)
    rumble = _level(thunder) * _bursts(t, rng.uniform(0.2, t[-1] * 0.7, 2), 0.9)
    return 0.3 * _noise(t, rng) + 1.5 * rumble


def _crowd(t: Signal, rng: np.random.Generator) -> Signal:
    roar = _smooth(_noise(t, rng), 7) * (0.5 + 0.5 * (t / t[-1]) ** 2)
    trill = np.sin(2 * np.pi * 2350 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 38 * t))
    whistle = trill * ((t > 0.4) & (t < 0.9))
    thuds = _bursts(t, rng.uniform(0, t[-1], 5), 0.03) * np.sin(2 * np.pi * 90 * t)
    return np.asarray(roar + 0.6 * whistle + thuds)


def _drone(t: Signal, rng: np.random.Generator) -> Signal:
    root = rng.uniform(50, 80)
    voices = [1.0, 1.503, 2.01, 2.996, 4.02]
    parts = [np.sin(2 * np.pi * root * v * t + rng.uniform(0, 6)) / v**0.7 for v in voices]
    return np.asarray(np.sum(parts, axis=0) * (0.7 + 0.3 * np.sin(2 * np.pi * 0.25 * t)))


def _sweep(t: Signal, rng: np.random.Generator) -> Signal:
    depth = rng.uniform(0.4, 0.8)
    pitch = 500 * (1 + depth * np.sin(2 * np.pi * rng.uniform(0.3, 0.6) * t))
    return np.asarray(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE))


def _knocks(t: Signal, rng: np.random.Generator) -> Signal:
    starts = np.sort(rng.uniform(0, t[-1], 9))
    wood = np.sin(2 * np.pi * 820 * t) + 0.6 * np.sin(2 * np.pi * 1370 * t)
    ticks = _bursts(t, np.arange(0, t[-1], 0.5), 0.002) * _noise(t, rng)
    return _bursts(t, starts, 0.025) * wood + 0.15 * ticks


def _beat(t: Signal, rng: np.random.Generator) -> Signal:
    beat = 60 / rng.uniform(120, 132)
    hats = _bursts(t, np.arange(beat / 2, t[-1], beat), 0.02) * _noise(t, rng)
    bass = np.sign(np.sin(2 * np.pi * _notes(t, np.array([55.0, 65.4, 73.4]), beat, rng) * t))
    return _kick(t, beat) + 0.3 * hats + 0.25 * bass


def _arpeggio(t: Signal, rng: np.random.Generator) -> Signal:
    step = rng.uniform(0.2, 0.3)
    scale = 261.6 * 2 ** (np.array([0, 3, 7, 10, 12, 15, 19]) / 12)
    pitch = _notes(t, scale, step, rng)
    tone = sum(np.sin(2 * np.pi * h * pitch * t) / h**1.5 for h in (1, 2, 3, 4))
    return np.asarray(tone) * np.exp(-(t % step) * 6)


def _chiptune(t: Signal, rng: np.random.Generator) -> Signal:
    scale = 330 * 2 ** (np.array([0, 2, 4, 7, 9, 12]) / 12)
    lead = np.sign(np.sin(2 * np.pi * _notes(t, scale, 0.11, rng) * t))
    low = np.sign(np.sin(2 * np.pi * _notes(t, scale / 4, 0.22, rng) * t))
    return lead + 0.6 * low


SYNTHS: dict[str, Synth] = {
    "cooking": _sizzle,
    "gardening": _birds,
    "trains": _rails,
    "ocean": _surf,
    "storms": _rain,
    "football": _crowd,
    "space": _drone,
    "maths": _sweep,
    "chess": _knocks,
    "dance": _beat,
    "piano": _arpeggio,
    "arcade": _chiptune,
}
