"""The transformer between the embedded events and the hidden states: from scratch or pretrained.

From scratch it is a GPT-2 of the transformers library, as wide as the embeddings. A checkpoint is
any text model of that library that takes `inputs_embeds` (GPT-2, BERT, Qwen, Llama, …), read
causally whatever it was trained for, between two projections. Its word embeddings are dropped: no
word is ever read. How much of it is trained is the policy; adapters are merged when it is saved,
so that a saved recommender needs neither the checkpoint nor peft.

Source: Radford et al., 2019 (GPT-2); Hu et al., ICLR 2022 (LoRA); Zhang et al., ICLR 2023
(AdaLoRA).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.devices import place
from kinoloop.errors import ConfigError
from kinoloop.models.base import State
from kinoloop.models.transformer import attention, facts
from kinoloop.models.transformer.attention import Runs
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.facts import TuningFacts, digest_of
from kinoloop.models.transformer.layers import keep_first
from kinoloop.models.transformer.policies import FineTuned, drop_words, weights_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INITIAL_STD = 0.02  # of every embedding, as GPT-2


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        n_videos: Size of the catalogue.
        dim: Embedding size D.
        layers: Transformer blocks, from scratch.
        heads: Attention heads per block, from scratch.
        length: Longest history.
        dropout: Share of activations dropped in training, from scratch.
        in_words: Whether videos are embedded among the words of a pretrained model.
        asks: Whether it is asked if a video would be wanted.
    """

    n_videos: int
    dim: int
    layers: int
    heads: int
    length: int
    dropout: float
    in_words: bool = False
    asks: bool = False


class Backbone(nn.Module):
    """Reads packed, embedded events.

    Attributes:
        word_vectors: The table of the checkpoint's words, where videos are embedded among them.

    Args:
        shape: Sizes.
        config: Where the model comes from.
        steps: Steps of the whole training.
    """

    def __init__(self, shape: Shape, config: BackboneConfig, *, steps: int) -> None:
        super().__init__()
        self.pretrained = config.checkpoint is not None
        self._weights = ""
        if config.checkpoint is None:
            model = _from_scratch(shape)
        else:
            # what reads folders needs more than a bare machine has, see benchmarks/gpu.py
            from kinoloop.encoders.language_models import find_language_model, weights_of

            directory = find_language_model(config.checkpoint)
            model = _from_checkpoint(shape, config, directory)
            self._weights = weights_of(config.checkpoint, directory)
        self.word_vectors: tuple[Tensor, ...] = ()  # a tuple: neither trained nor saved with it
        if shape.in_words:
            self.word_vectors = (model.get_input_embeddings().weight.detach(),)
        if self.pretrained:
            drop_words(model)
        self.config, self._source = model.config, config
        self.tuned = FineTuned(model, config, steps=steps)
        width = int(model.config.hidden_size)
        self.enter = nn.Linear(shape.dim, width) if self.pretrained else nn.Identity()
        self.leave = nn.Linear(width, shape.dim) if self.pretrained else nn.Identity()
        if shape.in_words:
            _start_as_identity(self.enter, config.checkpoint)

    def forward(self, inputs_PD: Tensor, position_P: Tensor, runs: Runs) -> Tensor:
        """Hidden states, (P, D).

        Args:
            inputs_PD: Embedded events, window after window.
            position_P: Place of each in its window.
            runs: The windows, see `packed_attention`.
        """
        hidden_PD: Tensor = self.leave(self.states(inputs_PD, position_P, runs))
        return hidden_PD

    def states(self, inputs_PD: Tensor, position_P: Tensor, runs: Runs) -> Tensor:
        """Give the model's own hidden states, (P, width), before the projection behind it."""
        found: Tensor = self.tuned(
            inputs_embeds=self.enter(inputs_PD)[None],
            position_ids=position_P[None],
            use_cache=False,
            runs=runs,
        )[0]
        return found.to(inputs_PD.dtype)

    def _facts(self) -> TuningFacts:
        trained = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        return TuningFacts(
            model=str(self._source.checkpoint),
            weights=self._weights,
            layers=int(self.config.num_hidden_layers),
            policy=self._source.tune,
            trainable=sum(parameter.numel() for _, parameter in trained),
            adapter=digest_of(trained),
        )

    def arrays(self) -> State:
        """Return what serving needs: weights without adapters, and for a checkpoint its config."""
        weights = {f"backbone.{name}": value for name, value in self.tuned.merged().items()}
        if self.tuned.inserted is not None:
            inserted = self.tuned.inserted.state_dict()
            weights |= {f"inserted.{name}": value for name, value in inserted.items()}
        if self.pretrained:
            weights |= {f"enter.{name}": value for name, value in self.enter.state_dict().items()}
            weights |= {f"leave.{name}": value for name, value in self.leave.state_dict().items()}
        arrays = {name: value.float().cpu().numpy().copy() for name, value in weights.items()}
        if self.pretrained:
            document = json.dumps(self.config.to_dict(), sort_keys=True, default=str)
            arrays["backbone_config"] = np.frombuffer(document.encode(), dtype=np.uint8).copy()
            arrays[facts.NAME] = facts.to_array(self._facts())
        return arrays


def rebuild(state: State) -> "PreTrainedModel":
    """Rebuild the pretrained model that `Backbone.arrays` saved, without its checkpoint.

    Raises:
        ConfigError: This version of the transformers library does not know the model.
    """
    from transformers import AutoConfig, AutoModel

    document = json.loads(state["backbone_config"].tobytes())
    kind = document.pop("model_type", None)
    try:
        config = AutoConfig.for_model(kind, **document)
    except ValueError as err:
        raise ConfigError(
            f"the saved backbone is a {kind!r}, which this transformers does not know: {err}"
        ) from err
    with torch.random.fork_rng(devices=[]):  # weights are drawn, then overwritten
        model = AutoModel.from_config(
            config, attn_implementation=attention.NAME, trust_remote_code=False
        )
    drop_words(model)
    weights = {
        name.removeprefix("backbone."): torch.from_numpy(value)
        for name, value in state.items()
        if name.startswith("backbone.")
    }
    model.load_state_dict(weights, strict=False)
    return model.eval()


def _start_as_identity(projection: nn.Module, checkpoint: str | None) -> None:
    """Let a projection hand on what it gets: in the space of the model's words it need not turn.

    Raises:
        ConfigError: The two spaces are not equally wide.
    """
    assert isinstance(projection, nn.Linear)
    if projection.in_features != projection.out_features:
        wide = {projection.in_features, projection.out_features}
        raise ConfigError(
            f"read_tokens needs dim to be the width of {checkpoint!r}: one is {min(wide)}, the "
            f"other {max(wide)}; set `dim` to the model's hidden_size, or read_tokens = 0"
        )
    nn.init.eye_(projection.weight)
    nn.init.zeros_(projection.bias)


def _from_scratch(shape: Shape) -> "PreTrainedModel":
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        vocab_size=1,  # inputs are embedded here
        n_positions=shape.length,
        n_embd=shape.dim,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=shape.dropout,
        embd_pdrop=shape.dropout,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one kernel
        attn_pdrop=0.0,  # keeps the fast attention kernels
        initializer_range=INITIAL_STD,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation=attention.NAME,
    )
    return GPT2Model(config)


def _from_checkpoint(shape: Shape, config: BackboneConfig, directory: Path) -> "PreTrainedModel":
    from transformers import AutoModel
    from transformers.utils import logging as library_logging

    library_logging.disable_progress_bar()  # it loads in milliseconds
    options: dict[str, Any] = {"dtype": weights_dtype(config, place()[1])}
    try:
        model = AutoModel.from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            attn_implementation=attention.NAME,
            **options,
        )
    except (OSError, ValueError, KeyError) as err:
        raise ConfigError(
            f"backbone.checkpoint {config.checkpoint!r} cannot be used: {err}; name a text model "
            "with safetensors weights"
        ) from err
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and shape.length > longest:
        raise ConfigError(
            f"length is {shape.length}, but {config.checkpoint!r} reads at most {longest} "
            "positions; shorten `length`"
        )
    if config.layers is not None:
        keep_first(model, config.layers)
    return model
