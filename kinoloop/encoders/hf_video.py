"""Hugging Face video models, VideoMAE and the like: they see motion, not only pictures.

A video becomes one clip of as many frames as the model takes (16 for VideoMAE), spread evenly over
the sampled ones; where there are fewer, frames stand twice. The vector is the model's pooler where
it has one, else the mean over its tokens.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.devices import compiled, fetch
from kinoloop.encoders import checkpoint
from kinoloop.encoders.base import ENCODERS, EncoderConfig, Takes
from kinoloop.encoders.frames import VisualEncoder
from kinoloop.encoders.images import load_preprocess
from kinoloop.encoders.pretrained import load, locate, normalise
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    import torch

CODE_VERSION = 1


class HfVideoConfig(EncoderConfig):
    """A video model."""

    kind: Literal["hf_video"] = "hf_video"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    batch_size: int = Field(default=4, ge=1, description="Videos at a time; 16 on a GPU.")
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("hf_video")
class HfVideo(VisualEncoder[HfVideoConfig]):
    """Encodes the sampled frames of a video as one moving picture.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = HfVideoConfig

    def __init__(self, config: HfVideoConfig) -> None:
        self.config = config
        directory = locate(config.model, config.revision)
        self._pretrained = load(directory)
        self._preprocess = load_preprocess(self._pretrained)
        frames = self.takes(config).frames
        if frames is None:
            raise ConfigError(
                f"{directory} does not say how many frames it takes (num_frames in config.json): "
                'it is not a video model; use kind = "hf_image" for an image model'
            )
        self._frames = frames
        self._vectors = compiled(self._forward, wanted=config.compile)
        grey = np.full((1, 64, 64, 3), 128, dtype=np.uint8)
        self.dim: int = self._embed([grey]).shape[1]
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: HfVideoConfig) -> str:
        """Name the vector space."""
        directory = locate(config.model, config.revision)
        processor = checkpoint.preprocessing(directory)
        return checkpoint.identify("hf_video", CODE_VERSION, directory, processor=processor)

    @classmethod
    def takes(cls, config: HfVideoConfig) -> Takes:
        """As many frames as the model looks at, of the size that its preprocessing makes."""
        directory = locate(config.model, config.revision)
        frames = (checkpoint.read_json(directory, "config.json") or {}).get("num_frames")
        return Takes(frame_side=checkpoint.frame_side(directory), frames=frames)

    def _embed(self, videos: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch

        size = self.config.batch_size
        with torch.inference_mode():
            batches = [
                self._vectors(self._clips(videos[at : at + size]))
                for at in range(0, len(videos), size)
            ]
            return normalise(fetch(batches))

    def _clips(self, videos: list[NDArray[np.uint8]]) -> "torch.Tensor":
        """(n, frames, 3, height, width) in the model's precision."""
        picked = [
            video[int(i)]
            for video in videos
            for i in np.linspace(0, len(video) - 1, self._frames).round()
        ]
        pixels = self._preprocess(picked)
        return pixels.reshape(len(videos), self._frames, *pixels.shape[1:])

    def _forward(self, pixels: "torch.Tensor") -> "torch.Tensor":
        output = self._pretrained.model(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None or not self._pretrained.has_pooler:
            pooled = output.last_hidden_state.mean(1)
        vectors: torch.Tensor = pooled
        return vectors
