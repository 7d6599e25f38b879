"""Any Hugging Face image model: CLIP, SigLIP, ViT, DINOv2, ResNet, timm wrappers.

Each sampled frame gives a vector; a video is the mean of its frames' unit vectors.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, ModalityName
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.encoders.pretrained import encode_present, load, locate, normalise
from kinoloop.media.content import VideoContent

if TYPE_CHECKING:
    import torch

CODE_VERSION = 1


class HfImageConfig(EncoderConfig):
    """An image model."""

    kind: Literal["hf_image"] = "hf_image"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    batch_size: int = Field(default=32, ge=1, description="Frames at a time.")


@ENCODERS.register("hf_image")
class HfImage(Encoder):
    """Encodes the sampled frames of a video.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = HfImageConfig
    modality: ClassVar[ModalityName] = "visual"

    def __init__(self, config: EncoderConfig) -> None:
        import transformers

        assert isinstance(config, HfImageConfig)
        self.config = config
        directory = locate(config.model, config.revision)
        self._pretrained = load(directory)
        loader: Any = transformers.AutoImageProcessor
        self._processor: Any = loader.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        grey = np.full((64, 64, 3), 128, dtype=np.uint8)
        self.dim: int = self._forward([grey]).shape[1]
        self.fingerprint: str = fingerprint(
            {
                "family": "hf_image",
                "code": CODE_VERSION,
                "weights": self._pretrained.digests,
                "processor": self._processor.to_dict(),
                "backend": type(self._processor).__name__,
                "libraries": library_versions("transformers", "pillow"),
            }
        )

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the frames of each video; a video without frames is missing."""
        present = np.array([len(content.frames) > 0 for content in contents], dtype=np.bool_)
        return encode_present(
            [content.frames for content in contents], present, dim=self.dim, encode=self._embed
        )

    def _embed(self, videos: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        frames = [frame for video in videos for frame in video]
        size = self.config.batch_size
        batches = [self._forward(frames[at : at + size]) for at in range(0, len(frames), size)]
        vectors = normalise(np.concatenate(batches))
        starts = np.cumsum([0, *(len(video) for video in videos)])[:-1]
        return normalise(np.add.reduceat(vectors, starts, axis=0))

    def _forward(self, frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch

        inputs = self._processor(
            images=frames, return_tensors="pt", input_data_format="channels_last"
        )
        pixels = inputs["pixel_values"].to(self._pretrained.device, self._pretrained.dtype)
        with torch.inference_mode():
            vectors = image_vectors(self._pretrained.model, pixels)
        result: NDArray[np.float32] = vectors.float().cpu().numpy()
        return result


def image_vectors(model: Any, pixels: "torch.Tensor") -> "torch.Tensor":  # noqa: ANN401 (many classes)
    """One vector an image, (n, dim), whatever the model calls it.

    CLIP and kin have `get_image_features`, whose answer is an object in transformers 5 and was a
    tensor before; others have a pooler, of shape (n, dim) or (n, dim, 1, 1); the rest is the mean
    over tokens.
    """
    if hasattr(model, "get_image_features"):
        features = model.get_image_features(pixel_values=pixels)
        pooled = getattr(features, "pooler_output", features)
    else:
        output = model(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None:
            states = output.last_hidden_state  # (n, dim, h, w) or (n, tokens, dim)
            pooled = states.mean((2, 3)) if states.ndim == 4 else states.mean(1)
    vectors: torch.Tensor = pooled.flatten(1)
    return vectors
