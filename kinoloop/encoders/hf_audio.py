"""Any Hugging Face audio model: Whisper's encoder, CLAP, AST, wav2vec2 and the like.

Sound is cut into equal chunks, each gives a vector; a video is the mean of their unit vectors.
"""

from collections.abc import Sequence
from math import gcd
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.devices import compiled, fetch
from kinoloop.encoders import checkpoint
from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, ModalityName, Takes
from kinoloop.encoders.pretrained import encode_present, load, locate, mean_of_units
from kinoloop.media.content import VideoContent

CODE_VERSION = 2
MIN_CHUNK_S = 0.4
"""A shorter rest is dropped; a whole sound that is shorter is padded with silence to this."""


class HfAudioConfig(EncoderConfig):
    """An audio model."""

    kind: Literal["hf_audio"] = "hf_audio"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    chunk_s: float = Field(default=10.0, gt=0.5, le=30, description="Sound per vector, seconds.")
    batch_size: int = Field(default=8, ge=1, description="Chunks at a time; 64 on a GPU.")
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("hf_audio")
class HfAudio(Encoder[HfAudioConfig]):
    """Encodes the sound of a video.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = HfAudioConfig
    modality: ClassVar[ModalityName] = "audio"

    def __init__(self, config: HfAudioConfig) -> None:
        import transformers

        self.config = config
        directory = locate(config.model, config.revision)
        self._pretrained = load(directory)
        loader: Any = transformers.AutoFeatureExtractor
        self._extractor: Any = loader.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        self._rate = int(self._extractor.sampling_rate)
        # CLAP cuts what is too long at a random place: a chunk is never longer than it takes
        longest = getattr(self._extractor, "nb_max_samples", None) or 30 * self._rate
        self._length = min(int(config.chunk_s * self._rate), int(longest))
        self._compiled = compiled(self._vectors, wanted=config.compile)
        probe = np.zeros(self._length, dtype=np.float32)
        self.dim: int = self._encode_chunks([probe]).shape[1]
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: HfAudioConfig) -> str:
        """Name the vector space."""
        directory = locate(config.model, config.revision)
        return checkpoint.identify(
            "hf_audio",
            CODE_VERSION,
            directory,
            libraries=("transformers", "scipy"),
            extractor=checkpoint.preprocessing(directory),
            chunk_s=config.chunk_s,
        )

    @classmethod
    def takes(cls, config: HfAudioConfig) -> Takes:
        """Sound at the rate of the checkpoint's feature extractor."""
        return Takes(sample_rate=checkpoint.sampling_rate(locate(config.model, config.revision)))

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the sound of each video; a video without sound is missing."""
        present = np.array([len(content.audio) > 0 for content in contents], dtype=np.bool_)
        sounds = [(content.audio, content.sample_rate) for content in contents]
        return encode_present(sounds, present, dim=self.dim, encode=self._embed)

    def _embed(self, sounds: list[tuple[NDArray[np.float32], int]]) -> NDArray[np.float32]:
        chunks = [self._chunks(audio, rate) for audio, rate in sounds]
        flat = [chunk for one in chunks for chunk in one]
        return mean_of_units(self._encode_chunks(flat), [len(one) for one in chunks])

    def _encode_chunks(self, chunks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        import torch

        size = self.config.batch_size
        with torch.inference_mode():
            return fetch(
                [
                    self._compiled(self._inputs(chunks[at : at + size]))
                    for at in range(0, len(chunks), size)
                ]
            )

    def _chunks(self, audio: NDArray[np.float32], rate: int) -> list[NDArray[np.float32]]:
        """Chunks of exactly `chunk_s`; the last is padded, so that a batch changes no vector."""
        if rate != self._rate:
            from scipy.signal import resample_poly

            divisor = gcd(rate, self._rate)
            audio = resample_poly(audio, self._rate // divisor, rate // divisor)
        length, shortest = self._length, int(MIN_CHUNK_S * self._rate)
        chunks = [audio[at : at + length] for at in range(0, len(audio), length)]
        if len(chunks) > 1 and len(chunks[-1]) < shortest:
            chunks.pop()
        return [np.pad(c, (0, length - len(c))).astype(np.float32) for c in chunks]

    def _inputs(self, chunks: list[NDArray[np.float32]]) -> dict[str, Any]:
        """Prepare chunks by the checkpoint's feature extractor, where the model is."""
        import torch

        inputs = self._extractor(chunks, sampling_rate=self._rate, return_tensors="pt")
        return {
            name: self._pretrained.send(value)
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor)
        }

    def _vectors(self, inputs: dict[str, Any]) -> Any:  # noqa: ANN401 (torch is imported late)
        """One vector per chunk, whatever the model calls it."""
        model = self._pretrained.model
        if hasattr(model, "get_audio_features"):  # CLAP: an object in transformers 5
            features = model.get_audio_features(**inputs)
            return getattr(features, "pooler_output", features)
        if model.config.is_encoder_decoder:  # Whisper pads to 30 s: only the chunk's part counts
            encoder = model.get_encoder()
            states = encoder(inputs["input_features"]).last_hidden_state
            used = max(1, round(states.shape[1] * self._length / self._rate / self._window_s()))
            return states[:, :used].mean(1)
        output = model(**inputs)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None or not self._pretrained.has_pooler:
            return output.last_hidden_state.mean(1)
        return pooled

    def _window_s(self) -> float:
        return float(getattr(self._extractor, "chunk_length", self.config.chunk_s))
