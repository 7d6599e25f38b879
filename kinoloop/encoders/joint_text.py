"""The text tower of an image-text or audio-text model: phrases where its pictures or sounds are.

CLIP, SigLIP, CLAP and others were trained so that a caption lies near what it tells. The checkpoint
says how near is near: `logit_scale` (and a bias, where each pair was judged by itself).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.pretrained import load, locate, normalise

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")


class JointText:
    """Encodes phrases with the text tower of a checkpoint.

    Args:
        model: Hub name or folder, as the image or audio encoder has it.
        revision: Commit or tag on the hub.
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        from transformers import AutoTokenizer

        directory = locate(model, revision)
        self._pretrained = load(directory)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        self._max_tokens = int(
            self._pretrained.model.config.get_text_config().max_position_embeddings
        )
        self.scale, self.bias = _learned(self._pretrained.model)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode phrases, (n, dim) float32, L2-normalised."""
        import torch

        padding = "max_length" if self.bias is not None else True  # SigLIP was trained padded
        tokens = self._tokenizer(
            list(texts),
            padding=padding,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        device = self._pretrained.device
        names = [name for name in ("input_ids", "attention_mask") if name in tokens]
        with torch.inference_mode():
            found = self._pretrained.model.get_text_features(
                **{name: tokens[name].to(device) for name in names}
            )
        vectors = getattr(found, "pooler_output", found)
        return normalise(vectors.float().cpu().numpy())


def has_text_tower(model: str, revision: str | None = None) -> bool:
    """Whether a checkpoint can encode phrases beside pictures or sounds."""
    import transformers

    directory = locate(model, revision)
    config = transformers.AutoConfig.from_pretrained(
        directory, trust_remote_code=False, local_files_only=True
    )
    known: Any = transformers.MODEL_MAPPING
    return (
        type(config) in known
        and hasattr(known[type(config)], "get_text_features")
        and any((Path(directory) / name).exists() for name in TOKENIZERS)
    )


def _learned(model: Any) -> tuple[float, float | None]:  # noqa: ANN401 (many classes)
    """Return what a cosine is multiplied with, and the bias where there is one."""
    scale = getattr(model, "logit_scale", None)
    scale = getattr(model, "logit_scale_a", None) if scale is None else scale  # CLAP has two
    bias = getattr(model, "logit_bias", None)
    return (
        float(scale.detach().exp()) if scale is not None else 1.0,
        float(bias.detach()) if bias is not None else None,
    )
