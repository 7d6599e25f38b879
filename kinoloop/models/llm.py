"""A recommender whose backbone is a pretrained language model, fine-tuned on what people watch.

The history is read as a sequence of videos. Each is one position of the model: the mean of the word
vectors of its title, in the model's own word space, plus its frames, sound and text, projected into
that space, its words and its id, which start at zero. So before any training the model reads titles
as it always did; LoRA then teaches it what people watch next (sampled softmax against the videos'
vectors in the same space) and what they want at all (binary cross-entropy). All of it is the
sequence recommender with other settings: `kinoloop/models/sequence.py`.

The defaults are what two cores bear in every loop: the first layers of SmolLM2-135M, short
histories, and steps that follow from a budget in minutes (`kinoloop/models/transformer/budget.py`).
What more layers and steps bring is measured in docs/results/sequence.md.
"""

from typing import ClassVar, Literal

from pydantic import Field

from kinoloop.models.base import RECOMMENDERS
from kinoloop.models.sequence import Sequence
from kinoloop.models.transformer.config import BackboneConfig, SequenceConfig


class LlmConfig(SequenceConfig):
    """The same settings; only the defaults differ."""

    not_searched: ClassVar[frozenset[str]] = SequenceConfig.not_searched | {
        *("dim", "dropout", "heads", "layers", "length", "words"),
    }

    kind: Literal["llm"] = "llm"
    dim: int = Field(576, ge=8, description="Width of the language model, its hidden_size.")
    length: int = Field(12, ge=1, description="Newest videos of a history that are read.")
    epochs: int = Field(
        3, ge=0, description="Passes, each over a share of the budget; 0: as it comes (zero-shot)."
    )
    budget_minutes: float | None = Field(
        0.3,
        gt=0,
        description="Minutes of one core that a training may take by its arithmetic: bounds the "
        "steps, whatever the clock says; None: all epochs in full.",
    )
    batch_positions: int = Field(
        512, ge=1, description="Positions per step, about; fewer on small data."
    )
    read_tokens: int = Field(
        16, ge=0, description="Tokens of a title that are read; 0: none, and then any `dim` goes."
    )
    wanted: float = Field(
        0.5, ge=0, description="Weight of the second loss, whether the next video is wanted."
    )
    backbone: BackboneConfig = Field(
        BackboneConfig(checkpoint="smollm2", layers=2, tune="lora", learning_rate=1e-3),
        description="The language model: smollm2 (packaged), a hub name or a folder.",
    )


@RECOMMENDERS.register("llm")
class Llm(Sequence):
    """Scores by a language model that reads the history."""

    Config = LlmConfig
    config: LlmConfig
