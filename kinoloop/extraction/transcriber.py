"""What transcribers share: which videos they hear, and that a failure harms one at most."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import gcd

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import ConfigError
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.products import ENCODER_FAULTS
from kinoloop.extraction.rows import Decoded
from kinoloop.media.decoded import DecodedMedia
from kinoloop.media.language import detect_language
from kinoloop.media.subtitle_formats import Cue
from kinoloop.media.subtitles import first_cues, join_lines

logger = logging.getLogger(__name__)

Sound = tuple[NDArray[np.float32], int]


class Transcriber(ABC):
    """Hears what is said.

    Args:
        config: The model; it is loaded when first needed.
    """

    def __init__(self, config: SpeechConfig) -> None:
        self.config = config

    @abstractmethod
    def transcribe(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear several sounds.

        Args:
            sounds: (n,) float32 mono in [-1, 1] each, with its rate in Hz.

        Returns:
            Cues of each, in order of time; none where nothing is said.

        Raises:
            ConfigError: The model cannot be loaded.
        """

    def add_words(self, decoded: Iterable[Decoded]) -> Iterator[Decoded]:
        """Pass decoded videos on, in order; those with sound and no words get what is heard."""
        videos = iter(decoded)
        while batch := list(islice(videos, self.config.batch_size)):
            silent = [i for i, video in enumerate(batch) if _needs_words(video.found)]
            sounds = [(batch[i].found.audio, batch[i].found.sample_rate) for i in silent]
            for i, cues in zip(silent, self._safely(sounds), strict=True):
                batch[i] = replace(batch[i], found=_with_cues(batch[i].found, cues))
            yield from batch

    def _safely(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear a batch; where that fails, one by one: what cannot be heard says nothing."""
        try:
            return self.transcribe(sounds)
        except ConfigError:
            raise
        except ENCODER_FAULTS as err:
            logger.warning("hearing %d videos failed (%s)", len(sounds), err)
        return [()] if len(sounds) == 1 else [self._safely([sound])[0] for sound in sounds]


def resampled(audio: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Resample a sound to another rate, Hz."""
    if rate == wanted:
        return audio
    from scipy.signal import resample_poly

    divisor = gcd(rate, wanted)
    result: NDArray[np.float32] = resample_poly(audio, wanted // divisor, rate // divisor)
    return result


def _needs_words(found: DecodedMedia) -> bool:
    return not found.words and len(found.audio) > 0


def _with_cues(found: DecodedMedia, cues: tuple[Cue, ...]) -> DecodedMedia:
    words = join_lines(cue.text for cue in cues)
    return replace(
        found,
        words=words,
        cues=first_cues(cues),
        cue_count=len(cues),
        language=detect_language(words),
    )
