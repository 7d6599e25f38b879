"""Real clips of a second or two for tests and benchmarks: a bar that moves, and a tone."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.sample.clips import spread_cues, write_clip
from kinoloop.sample.sounds import SAMPLE_RATE

FPS = 25


def bar_clip(
    path: Path,
    *,
    seconds: float = 1.0,
    size: tuple[int, int] = (96, 64),
    colour: tuple[int, int, int] = (200, 60, 30),
    tone_hz: float | None = 440.0,
    subtitles: tuple[str, ...] = (),
) -> Path:
    """Write an H.264 and AAC clip.

    Args:
        path: Where to, ends in `.mp4`.
        seconds: Length.
        size: Width and height, even numbers.
        colour: Of the background; a white bar moves over it once from left to right.
        tone_hz: Of the sound; 0 for a silent track, None for no track.
        subtitles: Lines of an embedded subtitle track, spread evenly.

    Returns:
        `path`.
    """
    width, height = size
    n = max(1, round(seconds * FPS))
    frames: NDArray[np.uint8] = np.empty((n, height, width, 3), dtype=np.uint8)
    frames[:] = colour
    for i in range(n):
        left = round(i / n * (width - 8))
        frames[i, :, left : left + 8] = 255
    write_clip(
        path,
        frames,
        fps=FPS,
        sound=None if tone_hz is None else tone(tone_hz, seconds),
        cues=spread_cues(subtitles, seconds) if subtitles else (),
    )
    return path


def sound_file(path: Path, *, seconds: float = 1.0, tone_hz: float = 440.0) -> Path:
    """Write sound without a picture, as WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((tone(tone_hz, seconds) * 32767).astype("<i2").tobytes())
    return path


def tone(hertz: float, seconds: float) -> NDArray[np.float64]:
    """Make a sine of a third of full scale; 0 Hz is silence."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.3 * np.sin(2 * np.pi * hertz * times)
