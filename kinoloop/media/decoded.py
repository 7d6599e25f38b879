"""What is taken from a media file, and what comes back."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.media.sampling import Sampling, Shots
from kinoloop.media.subtitle_formats import Cue
from kinoloop.settings import Config

SIDES = (32, 1024)
"""Least and most of a frame's shorter side, pixels."""

RATES = (8_000, 48_000)
"""Least and most samples per second."""


class DecodeConfig(Config):
    """What is taken from a video."""

    sampling: Sampling = Field(
        default=Shots(), description="Which moments are looked at; `kind` names the policy."
    )
    frame_side: int = Field(
        default=224,
        ge=SIDES[0],
        le=SIDES[1],
        description="Shorter side of a frame, pixels, where no encoder's checkpoint says it.",
    )
    pages: int = Field(
        default=3,
        ge=0,
        le=64,
        description="Pictures of a video that words are read in, at most; see [extract.reading].",
    )
    page_side: int = Field(
        default=360, ge=SIDES[0], le=2160, description="Shorter side of these, pixels."
    )
    sample_rate: int = Field(
        default=16_000,
        ge=RATES[0],
        le=RATES[1],
        description="Of the mono sound, Hz, where no encoder's checkpoint says it.",
    )
    audio_s: float = Field(default=60.0, gt=0, le=600, description="Seconds of sound read at most.")
    silence_rms: float = Field(
        default=0.001,
        ge=0,
        description="Sound never louder than this (1 = full scale) counts as none.",
    )
    max_bytes: int = Field(default=8 << 30, gt=0, description="Larger files are quarantined.")
    max_pixels: int = Field(
        default=40_000_000, gt=0, description="Larger frames are refused (8K is 33M)."
    )
    max_streams: int = Field(
        default=100, ge=1, le=1000, description="Files with more streams are refused."
    )
    max_duration_s: float = Field(
        default=43_200.0, gt=0, description="Longer videos are read up to here, seconds."
    )
    thumbnail_width: int = Field(default=320, ge=32, le=640, description="Of the JPEG, pixels.")
    thumbnail_height: int = Field(default=180, ge=32, le=640, description="Of the JPEG, pixels.")


@dataclass(frozen=True)
class ScreenText:
    """Words that the picture shows for some time.

    Attributes:
        start_s: Seconds from the start.
        end_s: Likewise.
        text: Lines from top to bottom, joined by blanks.
        score: How sure the reader is, 0 to 1.
    """

    start_s: float
    end_s: float
    text: str
    score: float


@dataclass(frozen=True)
class DecodedMedia:
    """What one file held.

    Attributes:
        frames: (n, height, width, 3) uint8 RGB, upright.
        frame_times_s: (n,) float64 seconds from the start.
        audio: (n_samples,) float32 mono in [-1, 1]; empty where there is no sound or silence.
        sample_rate: Of `audio`, Hz.
        sound_s: Seconds of sound read, silence included.
        words: What subtitles say.
        cues: Subtitle cues with their times, as far as they fit into `words`.
        cue_count: Subtitle cues read.
        language: ISO 639 code of the words; "" where there are too few to tell.
        duration_s: Measured end of the last picture, sound, or cue where there is nothing else.
        width: Of the upright picture before scaling, pixels; 0 without picture.
        height: Likewise.
        thumbnail: JPEG; empty without picture.
        reason: Empty, or why only a part could be read (`truncated`, `decode_errors`, …).
        detail: What was seen, for the operator.
        streams: Codec names, such as `h264`, `aac`, `mov_text`; of a subtitle file its format.
        peak_memory_mb: Of the process that decoded it; 0 where not measured.
        seconds: Wall time in that process; 0 where not measured.
        print_times_s: (k,) float32 seconds of each picture that was hashed.
        picture_print: (k,) int64 perceptual hashes, see `kinoloop.media.prints`.
        sound_print: (m,) int32 perceptual hashes of the sound.
        pages: (k, height, width) uint8, upright grey pictures to read words in; none unless asked.
        page_times_s: (k,) float64 seconds.
        screen: What they say, where somebody reads; decoding leaves it empty.
        shots_s: (n_shots, 2) float64 start and end of each shot, seconds; none without picture.
    """

    frames: NDArray[np.uint8]
    frame_times_s: NDArray[np.float64]
    audio: NDArray[np.float32]
    sample_rate: int
    sound_s: float = 0.0
    words: str = ""
    cues: tuple[Cue, ...] = ()
    cue_count: int = 0
    language: str = ""
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    thumbnail: bytes = b""
    reason: str = ""
    detail: str = ""
    streams: tuple[str, ...] = ()
    peak_memory_mb: float = 0.0
    seconds: float = 0.0
    print_times_s: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    picture_print: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sound_print: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    pages: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))
    page_times_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    screen: tuple[ScreenText, ...] = ()
    shots_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))


def nothing(config: DecodeConfig) -> DecodedMedia:
    """Return what a video without media gives: no frames and no sound."""
    return DecodedMedia(
        frames=np.zeros((0, config.frame_side, config.frame_side, 3), dtype=np.uint8),
        frame_times_s=np.zeros(0, dtype=np.float64),
        audio=np.zeros(0, dtype=np.float32),
        sample_rate=config.sample_rate,
    )
