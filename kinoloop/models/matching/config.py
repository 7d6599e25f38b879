"""Settings of concat-and-match."""

from typing import ClassVar, Literal

from pydantic import Field

from kinoloop.models.base import Decay, NegativePopularity, RecommenderConfig


class ConcatMatchConfig(RecommenderConfig):
    """Size and training."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {
        "max_positions",
        "batch_size",
    }

    kind: Literal["concat_match"] = "concat_match"
    dim: int = Field(32, ge=2, description="Length of f_v and p_u.")
    hidden: int = Field(64, ge=2, description="Width of M.")
    decay: Decay = 0.8
    length: int = Field(20, ge=1, description="Newest videos of a history that make p_u.")
    temperature: float = Field(0.1, gt=0, description="Cosines are divided by it in training.")
    negatives: int = Field(64, ge=1, description="Watched videos that a step is compared with.")
    negative_popularity: NegativePopularity = 0.5
    epochs: int = Field(10, ge=1, description="Passes over the training positions, at most.")
    patience: int = Field(2, ge=1, description="Epochs without a better validation NDCG@10.")
    batch_size: int = Field(512, ge=1, description="Positions per step.")
    learning_rate: float = Field(3e-3, gt=0, description="Of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    max_positions: int = Field(
        100_000, ge=1, description="Positions per epoch, drawn again each time; bounds the time."
    )
