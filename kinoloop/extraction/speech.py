"""Speech recognition for videos that have sound and no words: off unless a model is named.

`tiny.en` is the packaged Whisper (`packaged_speech`), any other name a checkpoint of transformers
(`hf_speech`). What is heard goes where subtitles go, and so its fingerprint is part of the hash of
a video's words: another model transcribes again, and no picture is encoded for it.
"""

import logging

from kinoloop.errors import MissingPackageError
from kinoloop.extraction import hf_speech, packaged_speech
from kinoloop.extraction.config import SpeechConfig
from kinoloop.extraction.hf_speech import HfTranscriber
from kinoloop.extraction.packaged_speech import PackagedTranscriber
from kinoloop.extraction.transcriber import Transcriber

logger = logging.getLogger(__name__)


def transcriber(config: SpeechConfig) -> Transcriber | None:
    """Who listens, or nobody: no model is named, or its package is missing."""
    if not identify(config):
        return None
    packaged = config.model == packaged_speech.NAME
    return PackagedTranscriber(config) if packaged else HfTranscriber(config)


def identify(config: SpeechConfig) -> str:
    """Fingerprint of what is heard; "" where nobody listens.

    Raises:
        ConfigError: The model is nowhere, or is no complete checkpoint.
    """
    if not config.model:
        return ""
    if config.model != packaged_speech.NAME:
        return hf_speech.identify(config)
    try:
        return packaged_speech.identify(config)
    except MissingPackageError as err:
        logger.warning("nobody listens: %s", err)
        return ""
