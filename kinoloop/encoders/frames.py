"""What visual encoders share: a mask of videos with frames; of single frames, a mean per video."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from kinoloop.devices import fetch
from kinoloop.encoders.base import ConfigT, Encoder, ModalityName
from kinoloop.encoders.images import Preprocess
from kinoloop.encoders.pretrained import encode_present, mean_of_units
from kinoloop.media.content import VideoContent

if TYPE_CHECKING:
    import torch


class VisualEncoder(Encoder[ConfigT]):
    """Encodes the sampled frames of a video."""

    modality: ClassVar[ModalityName] = "visual"

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the frames of each video; a video without frames is missing."""
        present = np.array([len(content.frames) > 0 for content in contents], dtype=np.bool_)
        return encode_present(
            [content.frames for content in contents], present, dim=self.dim, encode=self._embed
        )

    @abstractmethod
    def _embed(self, videos: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One unit vector per video, from (n_frames, height, width, 3) each."""


class FrameEncoder(VisualEncoder[ConfigT]):
    """Encodes each sampled frame; a video is the mean of its frames' unit vectors.

    Attributes:
        batch_size: Frames at a time.
    """

    batch_size: int
    _preprocess: Preprocess
    _vectors: "Callable[[torch.Tensor], torch.Tensor]"

    def _embed(self, videos: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        frames = [frame for video in videos for frame in video]
        return mean_of_units(self._encode_frames(frames), [len(video) for video in videos])

    def _encode_frames(self, frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch

        size = self.batch_size
        with torch.inference_mode():
            return fetch(
                [
                    self._vectors(self._preprocess(frames[at : at + size]))
                    for at in range(0, len(frames), size)
                ]
            )

    def _probe(self) -> int:
        """Length of the vectors."""
        grey = np.full((64, 64, 3), 128, dtype=np.uint8)
        return len(self._encode_frames([grey])[0])
