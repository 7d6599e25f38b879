"""The language model of the ranker while it is trained: titles in, one vector each out.

The policies are those of the sequence recommender's backbones (top layers, LoRA, AdaLoRA, full).
The model reads each video's words by itself and means its last states over the tokens; a history
is the mean of what was liked. So after training every video is read once, its vector is stored,
and neither a release nor an answer needs the language model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinoloop.devices import place
from kinoloop.encoders.language_models import find_language_model
from kinoloop.encoders.pretrained import load
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.policies import FineTuned, weights_dtype
from kinoloop.ranking.config import LanguageConfig
from kinoloop.ranking.network import profile

READ_AT_A_TIME = 256  # videos, where nothing is trained


class Language(nn.Module):
    """Reads words under a fine-tuning policy.

    Args:
        model: `minilm`, a hub name or a folder.
        config: What is trained of it.
        words: (n_videos,) the words of each video.
        steps: Steps of the whole training; AdaLoRA spreads its budget over them.

    Raises:
        ConfigError: There is no such model.
    """

    def __init__(
        self, model: str, config: LanguageConfig, words: Sequence[str], *, steps: int
    ) -> None:
        from transformers import AutoTokenizer

        super().__init__()
        directory = find_language_model(model)
        tokenizer: Any = AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._tokenizer = tokenizer
        self._tokens: list[list[int]] = tokenizer(
            list(words), truncation=True, max_length=config.max_tokens
        )["input_ids"]
        policy = BackboneConfig(
            checkpoint=str(directory),
            tune=config.tune,
            top_layers=config.top_layers,
            rank=config.rank,
            learning_rate=config.learning_rate,
        )
        pretrained = load(directory, dtype=weights_dtype(policy, place()[1]))
        self.tuned = FineTuned(pretrained.model, policy, steps=steps, reads_words=True)
        self.dim = int(pretrained.model.config.get_text_config().hidden_size)
        self.device = pretrained.device

    def forward(self, videos_V: NDArray[np.integer]) -> Tensor:
        """Vectors of some videos, (V, T), of length 1; a video without words has a zero row."""
        tokens = [self._tokens[int(video)] for video in videos_V]
        has_words = torch.tensor([len(ids) > 0 for ids in tokens], device=self.device)
        filled = [ids or [self._tokenizer.pad_token_id] for ids in tokens]
        batch = self._tokenizer.pad({"input_ids": filled}, padding=True, return_tensors="pt")
        mask = batch["attention_mask"].to(self.device)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=place()[1] == torch.bfloat16
        ):
            states = self.tuned(input_ids=batch["input_ids"].to(self.device), attention_mask=mask)
        weights = mask.unsqueeze(-1).float()
        mean = (states.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)
        return nn.functional.normalize(mean, dim=1) * has_words[:, None]

    def read(
        self,
        history_BL: NDArray[np.integer],
        weight_BL: NDArray[np.float32],
        videos_B: NDArray[np.integer],
    ) -> tuple[Tensor, Tensor]:
        """Profiles and candidates, (B, T) each; every video of the batch is read once."""
        unique, where = np.unique(
            np.concatenate([history_BL.ravel(), videos_B]), return_inverse=True
        )
        vectors_VT = self(unique)
        index = torch.from_numpy(where).to(self.device)
        history = index[: history_BL.size].view(*history_BL.shape)
        u_BT = profile(vectors_VT, history, torch.from_numpy(weight_BL).to(self.device))
        return u_BT, vectors_VT[index[history_BL.size :]]

    @torch.no_grad()
    def read_all(self) -> NDArray[np.float32]:
        """Vectors of all videos, (n_videos, T) float32, likes of length read together."""
        self.eval()
        order = np.argsort([len(ids) for ids in self._tokens], kind="stable")
        found = np.zeros((len(order), self.dim), dtype=np.float32)
        for start in range(0, len(order), READ_AT_A_TIME):
            rows = order[start : start + READ_AT_A_TIME]
            found[rows] = self(rows).cpu().numpy()
        return found
