"""Titles in the word vectors of a pretrained model: one vector per video, in the model's own space.

A video is then where the model keeps such words, before anything is trained: its hidden state
after a history, which predicts words, also ranks videos by their words. The vectors are centred
over the catalogue, because what all titles have in common tells no two apart. Only the vectors of
tokens that some title has are kept; they are trained under the policy `full` alone.
"""

from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor

from kinoloop.data.video_text import texts_of
from kinoloop.encoders.language_models import find_language_model
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.words import Words

PARTS = ("title", "tags")


def title_tokens(
    videos: pl.DataFrame, config: BackboneConfig, table: Tensor, *, most: int
) -> Words | None:
    """Read the titles and tags of a catalogue; None where there is no token at all.

    Args:
        videos: Of the catalogue.
        config: Of the model whose words are read.
        table: (n_tokens, D) word vectors of that model.
        most: Tokens per video that are read; longer titles are cut.

    Raises:
        ConfigError: The model, or its tokenizer, cannot be used.
    """
    from transformers import AutoTokenizer

    assert config.checkpoint is not None
    directory = find_language_model(config.checkpoint)
    tokenizer: Any = AutoTokenizer.from_pretrained(
        directory, trust_remote_code=False, local_files_only=True
    )
    texts = texts_of(videos, PARTS)
    rows: list[list[int]] = tokenizer(
        texts, truncation=True, max_length=most, add_special_tokens=False
    )["input_ids"]
    lengths = np.array([len(row) for row in rows])
    if not lengths.any():
        return None
    flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows if row])
    known, columns = np.unique(flat, return_inverse=True)
    weights = np.repeat(1 / np.maximum(lengths, 1), lengths).astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    means = sp.csr_matrix((weights, columns, starts), shape=(len(rows), len(known)))
    means.sum_duplicates()
    vectors = table[torch.from_numpy(known)].float()
    shares = np.asarray(means.sum(axis=0)).ravel() / max(int((lengths > 0).sum()), 1)
    vectors = vectors - torch.from_numpy(shares.astype(np.float32)) @ vectors
    return Words(means, dim=vectors.shape[1], vectors=vectors, trained=config.tune == "full")
