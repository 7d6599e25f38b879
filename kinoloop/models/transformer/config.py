"""Settings of the sequence recommender; no torch."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kinoloop.models.base import Decay, NegativePopularity, RecommenderConfig, Tied
from kinoloop.models.config import Grids
from kinoloop.models.new_videos import SLATE
from kinoloop.settings import Config


class BackboneConfig(Config):
    """Where the transformer comes from and how much of it is trained."""

    checkpoint: str | None = Field(
        None, description="Hub name or folder of a text model; None: a small GPT-2 from scratch."
    )
    layers: int | None = Field(
        None, ge=1, description="First layers of a checkpoint that are kept; None: all."
    )
    tune: Literal["full", "top", "head", "lora", "adalora", "bottleneck", "prefix", "prompt"] = (
        Field(
            "full",
            description="What is trained of a checkpoint; head: only the projections around it.",
        )
    )
    top_layers: int = Field(2, ge=1, description="Last layers that `top` trains.")
    rank: int = Field(
        8,
        ge=1,
        description="Of LoRA, of AdaLoRA on average; width of bottlenecks; vectors of a prefix or "
        "prompt.",
    )
    learning_rate: float = Field(
        1e-4, gt=0, description="Peak, of the checkpoint's weights and their adapters."
    )


class SequenceConfig(RecommenderConfig):
    """Size, regularisation and training."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {
        "new_video_places",
        "trend_weight",
        "words",
        "accumulate",
        "budget_minutes",
        "compile",
        "optimizer",
        "read_tokens",
        "wanted",
    }
    only_with: ClassVar[Tied] = {
        "gbce_calibration": ("loss", ("gbce",)),
        "negatives": ("loss", ("sampled_softmax", "gbce", "bce")),
        "negative_popularity": ("loss", ("sampled_softmax", "gbce", "bce")),
    }

    grids: ClassVar[Grids] = {
        **RecommenderConfig.grids,
        "trend_weight": (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
    }

    kind: Literal["sequence", "llm"] = "sequence"
    dim: int = Field(64, ge=8, description="Embedding size; a multiple of `heads`.")
    layers: int = Field(2, ge=1, description="Transformer blocks.")
    heads: int = Field(2, ge=1, description="Attention heads per block.")
    length: int = Field(50, ge=1, description="Newest videos of a history that are read.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of activations dropped.")
    id_dropout: float = Field(
        0.2, ge=0, le=1, description="Share of videos without their id in a batch; 1: never ids."
    )
    epochs: int = Field(
        16, ge=0, description="Passes over the training histories, at most; 0: as it comes."
    )
    budget_minutes: float | None = Field(
        None,
        gt=0,
        description="Minutes of one core that a training may take by its arithmetic: bounds the "
        "steps, whatever the clock says; None: all epochs in full.",
    )
    patience: int = Field(4, ge=1, description="Epochs without a better validation NDCG@10.")
    batch_positions: int = Field(
        1024, ge=1, description="Positions per step, about; fewer on small data."
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw", description="sgd: with momentum; wants a learning rate some hundred times higher."
    )
    learning_rate: float = Field(2e-3, gt=0, description="Peak, of all that is not pretrained.")
    warmup_share: float = Field(0.05, ge=0, lt=1, description="Share of steps that warm up.")
    weight_decay: float = Field(0.01, ge=0, description="Of matrices; embeddings have none.")
    negatives: int = Field(
        1024, ge=1, description="Videos a step is compared with; a catalogue below it: all of them."
    )
    words: int = Field(
        50_000, ge=0, description="Most frequent words that get a vector of their own; 0: none."
    )
    read_tokens: int = Field(
        0,
        ge=0,
        description="Tokens of a title that a pretrained backbone reads, as the mean of their word "
        "vectors; `dim` is then its hidden size. 0: none.",
    )
    wanted: float = Field(
        0.0,
        ge=0,
        description="Weight of a second loss, whether the next video is wanted; 0: not asked.",
    )
    match_weight: float | None = Field(
        None,
        ge=0,
        description="Of the words shared with the history, in the score; None: by validation.",
    )
    trend_weight: float = Field(
        0.0, ge=0, description="Of the log of popularity lately over that in all, in the score."
    )
    match_neighbours: int = Field(
        50, ge=0, description="Videos alike in words kept per video; 0: never matched."
    )
    match_decay: Decay = 0.7
    new_video_places: int = Field(
        0,
        ge=0,
        lt=SLATE,
        description="Lowest of ten places that go to videos without events; 0: as they score.",
    )
    loss: Literal["sampled_softmax", "softmax", "gbce", "bce"] = Field(
        "sampled_softmax", description="softmax: with every video; gbce, bce: over `negatives`."
    )
    gbce_calibration: float = Field(
        0.75, ge=0, le=1, description="t of gBCE: 0 is bce, 1 gives calibrated probabilities."
    )
    accumulate: int = Field(
        1, ge=1, description="Parts that a step is computed in, for memory; same result."
    )
    compile: bool = Field(
        default=False, description="torch.compile; pays on a GPU, for long trainings."
    )
    backbone: BackboneConfig = Field(
        BackboneConfig(), description="A pretrained checkpoint instead of one from scratch."
    )
    cpu_threads: int = Field(
        1, ge=1, description="Of torch without a GPU; more pay only for larger networks."
    )
    negative_popularity: NegativePopularity = 0.5

    @classmethod
    def make_valid(cls, settings: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Let heads share the width evenly."""
        fields = cls.model_fields
        dim = int(settings.get("dim", fields["dim"].default))
        heads = int(settings.get("heads", fields["heads"].default))
        if not dim % heads:
            return settings
        if "dim" in given:
            return {**settings, "heads": next(n for n in range(heads, 0, -1) if not dim % n)}
        return {**settings, "dim": heads * max(round(dim / heads), math.ceil(8 / heads))}

    @model_validator(mode="after")
    def _words_have_a_reader(self) -> Self:
        if self.read_tokens and self.backbone.checkpoint is None:
            raise ValueError("read_tokens needs a backbone.checkpoint, whose word vectors are read")
        return self

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim is {self.dim}, which {self.heads} heads do not share evenly")
        return self
