"""Speech recognition for videos that have sound and no words: off unless a model is named.

Any checkpoint of the transformers pipeline: Whisper by hub name or folder, or a CTC model such as
wav2vec2. Sound of more than 30 s is read window by window as the checkpoint does it. What is heard
goes where subtitles go, and so its fingerprint is part of the hash of a video's words: another
model transcribes anew, and no picture is encoded for it.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from kinoloop.encoders import checkpoint
from kinoloop.encoders.pretrained import load, locate
from kinoloop.errors import ConfigError
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.products import ENCODER_FAULTS
from kinoloop.extraction.rows import Decoded
from kinoloop.media.captions import clean
from kinoloop.media.decoded import DecodedMedia
from kinoloop.media.language import detect_language
from kinoloop.media.subtitle_formats import Cue
from kinoloop.media.subtitles import first_cues, join_lines

CODE_VERSION = 1
CHUNK_S = 30.0
"""Of sound that a model hears at a time: Whisper's window, and as good for CTC models."""

logger = logging.getLogger(__name__)

Sound = tuple[NDArray[np.float32], int]


class Transcriber:
    """Hears what is said.

    Args:
        config: The model; it is loaded when first needed.
    """

    def __init__(self, config: SpeechConfig) -> None:
        self.config = config

    def add_words(self, decoded: Iterable[Decoded]) -> Iterator[Decoded]:
        """Pass decoded videos on, in order; those with sound and no words get what is heard."""
        videos = iter(decoded)
        while batch := list(islice(videos, self.config.batch_size)):
            silent = [i for i, video in enumerate(batch) if _needs_words(video.found)]
            sounds = [(batch[i].found.audio, batch[i].found.sample_rate) for i in silent]
            for i, cues in zip(silent, self._safely(sounds), strict=True):
                batch[i] = replace(batch[i], found=_with_cues(batch[i].found, cues))
            yield from batch

    def transcribe(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear several sounds.

        Args:
            sounds: (n,) float32 mono in [-1, 1] each, with its rate in Hz.

        Returns:
            Cues of each, in order of time; none where nothing is said.

        Raises:
            ConfigError: The model can not be loaded.
        """
        if not sounds:
            return []
        lengths_s = [len(audio) / rate for audio, rate in sounds]
        heard: dict[int, tuple[Cue, ...]] = {}
        # one window each makes a batch; what is longer takes windows of its own
        for long, size in ((False, self.config.batch_size), (True, 1)):
            some = [i for i, length_s in enumerate(lengths_s) if (length_s > CHUNK_S) is long]
            inputs = [self._input(*sounds[i]) for i in some]
            said = self._pipeline(inputs, batch_size=size, **self._options) if some else []
            heard |= {i: _cues(one, lengths_s[i]) for i, one in zip(some, said, strict=True)}
        return [heard[i] for i in range(len(sounds))]

    def _input(self, audio: NDArray[np.float32], rate: int) -> dict[str, Any]:
        """Resample a sound to the rate of the model; the pipeline would need torchaudio for it."""
        wanted = int(self._pipeline.feature_extractor.sampling_rate)
        if rate != wanted:
            divisor = gcd(rate, wanted)
            audio = resample_poly(audio, wanted // divisor, rate // divisor)
        return {"raw": audio, "sampling_rate": wanted}

    def _safely(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear a batch; where that fails, one by one: what can not be heard says nothing."""
        try:
            return self.transcribe(sounds)
        except ConfigError:
            raise
        except ENCODER_FAULTS as err:
            logger.warning("hearing %d videos failed (%s)", len(sounds), err)
        return [()] if len(sounds) == 1 else [self._safely([sound])[0] for sound in sounds]

    @cached_property
    def _pipeline(self) -> Any:  # noqa: ANN401 (transformers is imported late)
        import transformers

        directory = locate(self.config.model, self.config.revision)
        whisper_like = _is_encoder_decoder(directory)
        loaded = load(
            directory, loader="AutoModelForSpeechSeq2Seq" if whisper_like else "AutoModelForCTC"
        )
        local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        tokenizers: Any = transformers.AutoTokenizer
        extractors: Any = transformers.AutoFeatureExtractor
        try:
            tokenizer = tokenizers.from_pretrained(directory, **local)
            tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token  # a batch needs one
            return transformers.pipeline(
                "automatic-speech-recognition",
                model=loaded.model,
                tokenizer=tokenizer,
                feature_extractor=extractors.from_pretrained(directory, **local),
                device=loaded.device,
                dtype=loaded.dtype,
            )
        except (OSError, ValueError) as err:
            raise ConfigError(
                f"{directory} can not recognise speech: {err}; save its processor there, too"
            ) from err

    @cached_property
    def _options(self) -> dict[str, Any]:
        if self._pipeline.type != "seq2seq_whisper":
            return {"chunk_length_s": CHUNK_S}
        generate: dict[str, Any] = {"num_beams": 1, "do_sample": False}
        if self.config.language:
            generate["language"] = self.config.language
        return {"return_timestamps": True, "generate_kwargs": generate}


def transcriber(config: SpeechConfig) -> Transcriber | None:
    """Who listens, or nobody."""
    return Transcriber(config) if config.model else None


def identify(config: SpeechConfig) -> str:
    """Fingerprint of what is heard; "" where nobody listens.

    Raises:
        ConfigError: The model is nowhere, or is no complete checkpoint.
    """
    if not config.model:
        return ""
    directory = locate(config.model, config.revision)
    return checkpoint.identify(
        "speech",
        CODE_VERSION,
        directory,
        vocabulary=checkpoint.vocabulary_facts(directory),
        extractor=checkpoint.preprocessing(directory),
        language=config.language,
    )


def _is_encoder_decoder(directory: Path) -> bool:
    import transformers

    loader: Any = transformers.AutoConfig
    config = loader.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    return bool(config.is_encoder_decoder)


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


def _cues(said: dict[str, Any], end_s: float) -> tuple[Cue, ...]:
    """Read what the pipeline says, within the sound's length; times that it lacks are the ends."""
    parts = said.get("chunks") or [{"timestamp": (0.0, end_s), "text": said["text"]}]
    cues = []
    for part in parts:
        first, last = part["timestamp"]
        start_s = min(first or 0.0, end_s)
        until_s = end_s if last is None else min(max(last, start_s), end_s)
        text = clean(part["text"])
        if text:
            cues.append(Cue(start_s, until_s, text))
    return tuple(cues)
