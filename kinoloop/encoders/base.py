"""What every encoder is: a batch of decoded videos in, L2-normalised vectors and a mask out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from typing_extensions import TypeVar

from kinoloop.errors import ConfigError
from kinoloop.extras import explained
from kinoloop.media.content import VideoContent
from kinoloop.plugins import Plugins
from kinoloop.settings import NumbersConfig, fault_of

ModalityName = Literal["text", "visual", "audio"]


class EncoderConfig(NumbersConfig):
    """Base of every encoder's config; `kind` names the class."""

    kind: str


ConfigT = TypeVar("ConfigT", bound=EncoderConfig, default=Any)


@dataclass(frozen=True)
class Takes:
    """What an encoder takes as it is; None where anything will do.

    Attributes:
        frame_side: Shorter side of a frame, pixels.
        frames: Frames of a video.
        sample_rate: Of the sound, Hz.
    """

    frame_side: int | None = None
    frames: int | None = None
    sample_rate: int | None = None


class Encoder(ABC, Generic[ConfigT]):
    """Turns decoded videos into vectors.

    Attributes:
        config: As it was built.
        modality: What it reads.
        dim: Length of its vectors.
        fingerprint: What `identify` says of its config.
    """

    Config: ClassVar[type[EncoderConfig]]
    config: ConfigT
    modality: ClassVar[ModalityName]
    dim: int
    fingerprint: str

    @classmethod
    @abstractmethod
    def identify(cls, config: ConfigT) -> str:
        """Name the vector space without loading a model: a run with nothing to do loads none.

        Returns:
            Hex digest that changes whenever anything changes that changes the vectors: weights,
            preprocessing, pooling, versions of the libraries that compute and of our code.
        """

    @classmethod
    def takes(cls, config: ConfigT) -> Takes:  # noqa: ARG003 (for encoders whose checkpoint says it)
        """Say what decoding should deliver for it, without loading a model."""
        return Takes()

    @abstractmethod
    def __init__(self, config: ConfigT) -> None:
        """Load what the config names."""

    @abstractmethod
    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode a batch.

        Args:
            contents: Decoded videos; any of them may lack this modality.

        Returns:
            vectors: (n, dim) float32, L2-normalised, zero rows where missing.
            present: (n,) bool, False where the video has nothing of this modality.
        """


class TextEncoder(Encoder[ConfigT]):
    """An encoder that can also encode bare strings, such as a search query."""

    modality: ClassVar[ModalityName] = "text"

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode strings, (n, dim) float32, L2-normalised; an empty string gives a zero row."""

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode the texts of videos as `encode` does, where `encode_text` may prompt a query."""
        vectors, _ = self.encode([VideoContent.of_text(text) for text in texts])
        return vectors


ENCODERS: Plugins[type[Encoder]] = Plugins(
    "kinoloop.encoders", "encoder", group="kinoloop.encoders", base=Encoder
)


def build(settings: dict[str, Any]) -> Encoder:
    """Build an encoder from its settings, such as `{"kind": "minilm"}`; this loads its model.

    Raises:
        ConfigError: No encoder is called that, or a setting is wrong.
        MissingExtraError: It needs an extra that is not installed.
    """
    kind, config = parse(settings)
    with explained(f"the encoder {config.kind}"):
        return kind(config)


def identify(settings: dict[str, Any]) -> str:
    """Fingerprint of the encoder that `build` would give, without loading its model.

    Raises:
        ConfigError: No encoder is called that, or a setting is wrong.
    """
    kind, config = parse(settings)
    return kind.identify(config)


def parse(settings: dict[str, Any]) -> tuple[type[Encoder], EncoderConfig]:
    """Class and checked config of an encoder.

    Raises:
        ConfigError: No encoder is called that, or a setting is wrong.
    """
    kind = ENCODERS.get(str(settings.get("kind", "")))
    try:
        return kind, kind.Config.model_validate(settings)
    except ValidationError as err:
        raise ConfigError(
            f"encoder {settings.get('kind')!r}: {fault_of(err, kind.Config)}"
        ) from err
