"""Any Hugging Face image model: CLIP, SigLIP, ViT, DINOv2, ResNet, MobileNet, EfficientNet, timm's.

Each sampled frame gives a vector; a video is the mean of its frames' unit vectors. Frames of
several videos share a batch. Preprocessing is the checkpoint's and runs where the model runs.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kinoloop.devices import compiled
from kinoloop.encoders import checkpoint
from kinoloop.encoders.base import ENCODERS, EncoderConfig, Takes
from kinoloop.encoders.frames import FrameEncoder
from kinoloop.encoders.images import load_preprocess
from kinoloop.encoders.pretrained import load, locate

if TYPE_CHECKING:
    import torch

CODE_VERSION = 2


class HfImageConfig(EncoderConfig):
    """An image model."""

    kind: Literal["hf_image"] = "hf_image"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    batch_size: int = Field(default=32, ge=1, description="Frames at a time; 128 on a GPU.")
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("hf_image")
class HfImage(FrameEncoder[HfImageConfig]):
    """Encodes the sampled frames of a video.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = HfImageConfig

    def __init__(self, config: HfImageConfig) -> None:
        self.config = config
        self.batch_size = config.batch_size
        self._pretrained = load(locate(config.model, config.revision))
        self._preprocess = load_preprocess(self._pretrained)
        self._vectors = compiled(self._forward, wanted=config.compile)
        self.dim: int = self._probe()
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: HfImageConfig) -> str:
        """Name the vector space."""
        directory = locate(config.model, config.revision)
        processor = checkpoint.preprocessing(directory)
        return checkpoint.identify("hf_image", CODE_VERSION, directory, processor=processor)

    @classmethod
    def takes(cls, config: HfImageConfig) -> Takes:
        """Frames of the size that the checkpoint's preprocessing makes."""
        return Takes(frame_side=checkpoint.frame_side(locate(config.model, config.revision)))

    def _forward(self, pixels: "torch.Tensor") -> "torch.Tensor":
        return image_vectors(self._pretrained.model, pixels, pooler=self._pretrained.has_pooler)


def image_vectors(model: Any, pixels: "torch.Tensor", *, pooler: bool = True) -> "torch.Tensor":  # noqa: ANN401 (many classes)
    """One vector per image, (n, dim), whatever the model calls it.

    CLIP and others have `get_image_features`, whose answer is an object in transformers 5 and was a
    tensor before; others have a pooler, of shape (n, dim) or (n, dim, 1, 1); without a pooler it is
    the mean over the grid or the tokens.

    Args:
        model: In evaluation mode.
        pixels: (n, 3, height, width).
        pooler: Whether the checkpoint had weights for the pooler; if not (a ViT that was saved as
            a classifier), the first token is taken, as its classifier did.
    """
    if hasattr(model, "get_image_features"):
        features = model.get_image_features(pixel_values=pixels)
        pooled = getattr(features, "pooler_output", features)
    else:
        output = model(pixel_values=pixels)
        states = output.last_hidden_state  # (n, dim, h, w) or (n, tokens, dim)
        pooled = getattr(output, "pooler_output", None)
        if not pooler and states.ndim == 3:
            pooled = states[:, 0]
        elif pooled is None:
            pooled = states.mean((2, 3)) if states.ndim == 4 else states.mean(1)
    vectors: torch.Tensor = pooled.flatten(1)
    return vectors
