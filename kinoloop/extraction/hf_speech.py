"""Speech recognition by any checkpoint of the transformers pipeline.

Whisper by hub name or folder, or a CTC model such as wav2vec2. Sound of more than 30 s is read
window by window as the checkpoint does it.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders import checkpoint
from kinoloop.encoders.pretrained import load, locate
from kinoloop.errors import ConfigError
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.transcriber import Sound, Transcriber, resampled
from kinoloop.media.captions import clean
from kinoloop.media.subtitle_formats import Cue

CODE_VERSION = 1
CHUNK_S = 30.0
"""Of sound that a model hears at a time: Whisper's window, and as good for CTC models."""


class HfTranscriber(Transcriber):
    """Hears with a checkpoint; see `Transcriber`."""

    def transcribe(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear several sounds, one window each in a batch; what is longer apart."""
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
        return {"raw": resampled(audio, rate, wanted), "sampling_rate": wanted}

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
                f"{directory} cannot recognise speech: {err}; save its processor there, too"
            ) from err

    @cached_property
    def _options(self) -> dict[str, Any]:
        if self._pipeline.type != "seq2seq_whisper":
            return {"chunk_length_s": CHUNK_S}
        generate: dict[str, Any] = {"num_beams": 1, "do_sample": False}
        if self.config.language:
            generate["language"] = self.config.language
        return {"return_timestamps": True, "generate_kwargs": generate}


def identify(config: SpeechConfig) -> str:
    """Fingerprint of what is heard.

    Raises:
        ConfigError: The model is nowhere, or is no complete checkpoint.
    """
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
