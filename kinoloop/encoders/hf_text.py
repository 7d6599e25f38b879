"""Any Hugging Face text model: BERT and kin (mean), E5 (mean, prefixes), Qwen-Embedding (last).

Source: Reimers and Gurevych, Sentence-BERT, 2019, section 3 (mean pooling); Wang et al., E5, 2022
(prefixes); Zhang et al., Qwen3 Embedding, 2025, section 2 (last token).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.encoders.base import ENCODERS, EncoderConfig, TextEncoder
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.encoders.pretrained import Pretrained, encode_present, load, locate, normalise
from kinoloop.media.content import VideoContent

CODE_VERSION = 1


class HfTextConfig(EncoderConfig):
    """A text model and how its tokens become one vector."""

    kind: Literal["hf_text"] = "hf_text"
    model: str = Field(description="Hub name or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    pooling: Literal["mean", "cls", "last"] = Field(
        default="mean", description="`last` for decoders such as Qwen-Embedding."
    )
    max_tokens: int = Field(default=256, ge=8, le=8192, description="Longer texts are cut.")
    batch_size: int = Field(default=32, ge=1, description="Texts at a time.")
    prefix: str = Field(default="", description="Put before a video's text, `passage: ` for E5.")
    query_prefix: str = Field(default="", description="Put before a query, `query: ` for E5.")


@ENCODERS.register("hf_text")
class HfText(TextEncoder):
    """Encodes the words of a video.

    Args:
        config: Model and pooling.
    """

    Config: ClassVar[type[EncoderConfig]] = HfTextConfig

    def __init__(self, config: EncoderConfig) -> None:
        from transformers import AutoTokenizer

        assert isinstance(config, HfTextConfig)
        self.config = config
        directory = self._directory()
        self._pretrained: Pretrained = load(directory)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self.dim: int = self._pretrained.model.config.get_text_config().hidden_size
        self.fingerprint: str = fingerprint(
            {
                "family": "hf_text",
                "code": CODE_VERSION,
                "weights": self._pretrained.digests,
                "vocabulary": fingerprint(self._tokenizer.get_vocab()),
                "pooling": config.pooling,
                "max_tokens": config.max_tokens,
                "prefixes": [config.prefix, config.query_prefix],
                "libraries": library_versions("transformers", "tokenizers"),
            }
        )

    def _directory(self) -> Path:
        return locate(self.config.model, self.config.revision)

    def encode(
        self, contents: Sequence[VideoContent]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Encode the words of each video; a video without words is missing."""
        texts = [content.text.strip() for content in contents]
        present = np.array([bool(text) for text in texts], dtype=np.bool_)
        return encode_present(
            texts, present, dim=self.dim, encode=lambda some: self._embed(some, self.config.prefix)
        )

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode queries, (n, dim) float32, L2-normalised; an empty string gives a zero row."""
        stripped = [text.strip() for text in texts]
        present = np.array([bool(text) for text in stripped], dtype=np.bool_)
        query_prefix = self.config.query_prefix
        vectors, _ = encode_present(
            stripped, present, dim=self.dim, encode=lambda some: self._embed(some, query_prefix)
        )
        return vectors

    def _embed(self, texts: list[str], prefix: str) -> NDArray[np.float32]:
        """Encode in order of length, so that a batch is padded little."""
        tokens = self._tokenizer(
            [prefix + text for text in texts], truncation=True, max_length=self.config.max_tokens
        )["input_ids"]
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(order), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            vectors[rows] = self._forward([tokens[int(row)] for row in rows])
        return normalise(vectors)

    def _forward(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        import torch

        device = self._pretrained.device
        batch = self._tokenizer.pad({"input_ids": tokens}, padding=True, return_tensors="pt")
        mask = batch["attention_mask"].to(device)
        with torch.inference_mode():
            states = self._pretrained.model(
                input_ids=batch["input_ids"].to(device), attention_mask=mask
            ).last_hidden_state.float()
            if self.config.pooling == "mean":
                weights = mask.unsqueeze(-1).float()
                pooled = (states * weights).sum(1) / weights.sum(1)
            elif self.config.pooling == "cls":
                pooled = states[torch.arange(len(tokens)), mask.argmax(1)]
            else:  # the last real token, whichever side the padding is on
                positions = torch.arange(mask.shape[1], device=device)
                pooled = states[torch.arange(len(tokens)), (mask * positions).argmax(1)]
        result: NDArray[np.float32] = pooled.cpu().numpy()
        return result
