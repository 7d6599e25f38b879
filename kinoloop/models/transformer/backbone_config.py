"""Where the transformer of the sequence recommender comes from: settings only, no torch."""

from typing import Literal

from pydantic import Field

from kinoloop.settings import Config


class BackboneConfig(Config):
    """Where the transformer comes from and how much of it is trained."""

    checkpoint: str | None = Field(
        None, description="Hub name or folder of a text model; None: a small GPT-2 from scratch."
    )
    tune: Literal["full", "top", "head", "lora", "adalora"] = Field(
        "full", description="What is trained of a checkpoint; head: only the projections around it."
    )
    top_layers: int = Field(2, ge=1, description="Newest layers that `top` trains.")
    rank: int = Field(8, ge=1, description="Of LoRA; AdaLoRA keeps as many on average.")
    learning_rate: float = Field(
        1e-4, gt=0, description="Peak, of the checkpoint's weights and their adapters."
    )
