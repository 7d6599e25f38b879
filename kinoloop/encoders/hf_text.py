"""Any Hugging Face text model: BERT and others, E5 with its prefixes, decoders as Qwen3-Embedding.

Pooling and prefixes are what the checkpoint says (`kinoloop.encoders.pooling`) unless the settings
say otherwise. Texts of like length share a batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.devices import compiled, fetch
from kinoloop.encoders import checkpoint
from kinoloop.encoders.base import ENCODERS, EncoderConfig, TextEncoder
from kinoloop.encoders.pooling import Pooling, pool, pooling_of, prefixes_of
from kinoloop.encoders.pretrained import Pretrained, encode_present, load, locate, normalise
from kinoloop.media.content import VideoContent

if TYPE_CHECKING:
    import torch

CODE_VERSION = 2


class HfTextConfig(EncoderConfig):
    """A text model and how its tokens become one vector."""

    kind: Literal["hf_text"] = "hf_text"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    pooling: Literal["auto", "mean", "cls", "last"] = Field(
        default="auto", description="`auto`: as the checkpoint says; `last` for decoders."
    )
    max_tokens: int = Field(default=256, ge=8, le=8192, description="Longer texts are cut.")
    batch_size: int = Field(default=32, ge=1, description="Texts at a time; 256 on a GPU.")
    prefix: str | None = Field(
        default=None, description="Before a video's text; None: as the checkpoint says."
    )
    query_prefix: str | None = Field(
        default=None, description="Before a query; None: as the checkpoint says."
    )
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("hf_text")
class HfText(TextEncoder[HfTextConfig]):
    """Encodes the words of a video.

    Args:
        config: Model and pooling.
    """

    Config: ClassVar[type[EncoderConfig]] = HfTextConfig

    def __init__(self, config: HfTextConfig) -> None:
        from transformers import AutoTokenizer

        self.config = config
        directory = locate(config.model, config.revision)
        self._style = _Style.of(config, directory)
        self._pretrained: Pretrained = load(directory)
        self._pretrained.model.config.use_cache = False  # a decoder would keep what nobody reads
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._vectors = compiled(self._forward, wanted=config.compile)
        text_config = self._pretrained.model.config.get_text_config()
        self._max_tokens = min(
            config.max_tokens,
            self._tokenizer.model_max_length,
            getattr(text_config, "max_position_embeddings", config.max_tokens),
        )
        self.dim: int = text_config.hidden_size
        self.fingerprint: str = HfText.identify(config)

    @classmethod
    def identify(cls, config: HfTextConfig) -> str:
        """Name the vector space."""
        directory = locate(config.model, config.revision)
        style = _Style.of(config, directory)
        return checkpoint.identify(
            "hf_text",
            CODE_VERSION,
            directory,
            libraries=("transformers", "tokenizers"),
            vocabulary=checkpoint.vocabulary_facts(directory),
            pooling=style.pooling,
            max_tokens=config.max_tokens,
            prefixes=[style.prefix, style.query_prefix],
        )

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the words of each video; a video without words is missing."""
        texts = [content.text.strip() for content in contents]
        present = np.array([bool(text) for text in texts], dtype=np.bool_)
        return encode_present(
            texts, present, dim=self.dim, encode=lambda some: self._embed(some, self._style.prefix)
        )

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode queries, (n, dim) float32, L2-normalised; an empty string gives a zero row."""
        stripped = [text.strip() for text in texts]
        present = np.array([bool(text) for text in stripped], dtype=np.bool_)
        query_prefix = self._style.query_prefix
        vectors, _ = encode_present(
            stripped, present, dim=self.dim, encode=lambda some: self._embed(some, query_prefix)
        )
        return vectors

    def _embed(self, texts: list[str], prefix: str) -> NDArray[np.float32]:
        """Encode in order of length, so that a batch is padded little."""
        import torch

        tokens = self._tokenizer(
            [prefix + text for text in texts], truncation=True, max_length=self._max_tokens
        )["input_ids"]
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        groups = [
            order[at : at + self.config.batch_size]
            for at in range(0, len(order), self.config.batch_size)
        ]
        with torch.inference_mode():
            batches = [self._encode([tokens[int(row)] for row in rows]) for rows in groups]
            vectors = np.empty((len(texts), self.dim), dtype=np.float32)
            vectors[order] = fetch(batches)
        return normalise(vectors)

    def _encode(self, tokens: list[list[int]]) -> "torch.Tensor":
        batch = self._tokenizer.pad({"input_ids": tokens}, padding=True, return_tensors="pt")
        send = self._pretrained.send
        vectors: torch.Tensor = self._vectors(
            send(batch["input_ids"]), send(batch["attention_mask"])
        )
        return vectors

    def _forward(self, ids: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        states = self._pretrained.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return pool(states, mask, self._style.pooling)


class _Style(NamedTuple):
    """What the settings say, and what the checkpoint says where they are silent."""

    pooling: Pooling
    prefix: str
    query_prefix: str

    @classmethod
    def of(cls, config: HfTextConfig, directory: Path) -> "_Style":
        prefix, query_prefix = prefixes_of(directory, config.model)
        return cls(
            pooling_of(directory) if config.pooling == "auto" else config.pooling,
            prefix if config.prefix is None else config.prefix,
            query_prefix if config.query_prefix is None else config.query_prefix,
        )
