"""Settings of the networks that match a history with a video."""

from typing import ClassVar, Literal

from pydantic import Field

from kinoloop.models.base import Decay, NegativePopularity, RecommenderConfig


class MatchingConfig(RecommenderConfig):
    """What concat-and-match and the two towers share."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {
        "max_positions",
        "batch_size",
    }

    dim: int = Field(32, ge=2, description="Length of f_v and p_u.")
    hidden: int = Field(64, ge=2, description="Width of the network.")
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


class ConcatMatchConfig(MatchingConfig):
    """Size and training of concat-and-match."""

    kind: Literal["concat_match"] = "concat_match"


class TwoTowerConfig(MatchingConfig):
    """Size and training of the two towers."""

    kind: Literal["two_tower"] = "two_tower"
    dim: int = Field(64, ge=2, description="Length of f_v, p_u and what the towers give.")
    hidden: int = Field(128, ge=2, description="Width of the towers.")
    negatives: int = Field(
        512, ge=1, description="Watched videos that a step is compared with beside its own targets."
    )
    negative_popularity: NegativePopularity = 0.0
    temperature: float = Field(
        0.2, gt=0, description="Cosines are divided by it in training; tuned on MovieLens-100K."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of the towers' hidden units.")
    id_dropout: float = Field(
        0.2, ge=0, lt=1, description="Share of videos read by their content alone in a step."
    )
    epochs: int = Field(20, ge=1, description="Passes over the training positions, at most.")
