"""Hugging Face video models, VideoMAE and kin: they see motion, not only pictures.

A video becomes one clip of as many frames as the model takes (16 for VideoMAE), spread evenly over
the sampled ones; where there are fewer, frames stand twice. Set `[extract.decode] frames` to that
number. The vector is the model's pooler where it has one, else the mean over its tokens.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, ModalityName
from kinoloop.encoders.checkpoint import model_facts, preprocessing
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.encoders.images import make_preprocess
from kinoloop.encoders.pretrained import (
    compiled,
    encode_present,
    fetch,
    load,
    locate,
    normalise,
)
from kinoloop.errors import ConfigError
from kinoloop.media.content import VideoContent

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
class HfVideo(Encoder):
    """Encodes the sampled frames of a video as one moving picture.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = HfVideoConfig
    modality: ClassVar[ModalityName] = "visual"

    def __init__(self, config: EncoderConfig) -> None:
        import transformers

        assert isinstance(config, HfVideoConfig)
        self.config = config
        directory = locate(config.model, config.revision)
        self._pretrained = load(directory)
        loader: Any = transformers.AutoImageProcessor
        self._preprocess = make_preprocess(
            self._pretrained,
            loader.from_pretrained(directory, trust_remote_code=False, local_files_only=True),
        )
        frames = getattr(self._pretrained.model.config, "num_frames", None)
        if not frames:
            raise ConfigError(
                f"{directory} does not say how many frames it takes (num_frames in config.json): "
                'it is no video model; use kind = "hf_image" for an image model'
            )
        self._frames = int(frames)
        self._vectors = compiled(self._forward, wanted=config.compile)
        grey = np.full((1, 64, 64, 3), 128, dtype=np.uint8)
        self.dim: int = self._embed([grey]).shape[1]
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: EncoderConfig) -> str:
        """Name the vector space."""
        assert isinstance(config, HfVideoConfig)
        directory = locate(config.model, config.revision)
        return fingerprint(
            {
                "family": "hf_video",
                "code": CODE_VERSION,
                "model": model_facts(directory),
                "processor": preprocessing(directory),
                "libraries": library_versions("transformers"),
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
