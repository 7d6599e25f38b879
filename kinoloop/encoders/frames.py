"""What visual encoders share: a mask of videos with frames; of single frames, a mean per video."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from kinoloop.devices import fetch
from kinoloop.encoders.base import ConfigT, Encoder, ModalityName
from kinoloop.encoders.images import Preprocess
from kinoloop.encoders.pretrained import encode_present, mean_of_units, normalise
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

    So it knows what each moment of a video shows: `encode_frames` gives the vectors of frames too.

    Attributes:
        batch_size: Frames at a time.
    """

    batch_size: int
    _preprocess: Preprocess
    _vectors: "Callable[[torch.Tensor], torch.Tensor]"

    def encode_frames(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[NDArray[np.float32]]]:
        """Encode as `encode` does, and give the vectors of the frames too.

        Returns:
            vectors: As of `encode`.
            present: As of `encode`.
            frames: (n_frames, dim of a frame) float32 unit vectors of each video.
        """
        present = np.array([len(content.frames) > 0 for content in contents], dtype=np.bool_)
        vectors = np.zeros((len(contents), self.dim), dtype=np.float32)
        frames = [np.zeros((0, 0), dtype=np.float32) for _ in contents]
        rows = np.flatnonzero(present).tolist()
        if rows:
            videos = [contents[row].frames for row in rows]
            found = self._vectors_of(videos)
            vectors[rows] = self._pooled(videos, found)
            for row, one in zip(rows, found, strict=True):
                frames[row] = one
        return vectors, present, frames

    def _embed(self, videos: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self._pooled(videos, self._vectors_of(videos))

    def _pooled(
        self,
        videos: list[NDArray[np.uint8]],  # noqa: ARG002 (for encoders that look at them too)
        frames: list[NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """One unit vector per video, from its frames and their vectors."""
        return mean_of_units(np.concatenate(frames), [len(one) for one in frames])

    def _vectors_of(self, videos: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Encode the frames of each video into unit vectors."""
        ends = np.cumsum([len(video) for video in videos])
        frames = [frame for video in videos for frame in video]
        return np.split(normalise(self._encode_frames(frames)), ends[:-1])

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
