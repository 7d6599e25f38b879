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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.devices import place
from kinoloop.encoders.pretrained import locate
from kinoloop.errors import ConfigError
from kinoloop.models.base import State
from kinoloop.models.transformer import attention
from kinoloop.models.transformer.attention import Runs
from kinoloop.models.transformer.config import BackboneConfig
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
    """

    n_videos: int
    dim: int
    layers: int
    heads: int
    length: int
    dropout: float


class Backbone(nn.Module):
    """Reads packed, embedded events.

    Args:
        shape: Sizes.
        config: Where the model comes from.
        steps: Steps of the whole training.
    """

    def __init__(self, shape: Shape, config: BackboneConfig, *, steps: int) -> None:
        super().__init__()
        self.pretrained = config.checkpoint is not None
        model = _from_scratch(shape) if not self.pretrained else _from_checkpoint(shape, config)
        self.config = model.config
        self.tuned = FineTuned(model, config, steps=steps)
        width = int(model.config.hidden_size)
        self.enter = nn.Linear(shape.dim, width) if self.pretrained else nn.Identity()
        self.leave = nn.Linear(width, shape.dim) if self.pretrained else nn.Identity()

    def forward(self, inputs_PD: Tensor, position_P: Tensor, runs: Runs) -> Tensor:
        """Hidden states, (P, D).

        Args:
            inputs_PD: Embedded events, window after window.
            position_P: Place of each in its window.
            runs: The windows, see `packed_attention`.
        """
        hidden_PD: Tensor = self.leave(
            self.tuned(
                inputs_embeds=self.enter(inputs_PD)[None],
                position_ids=position_P[None],
                use_cache=False,
                runs=runs,
            )[0].to(inputs_PD.dtype)
        )
        return hidden_PD

    def arrays(self) -> State:
        """Return what serving needs: weights without adapters, and for a checkpoint its config."""
        weights = {f"backbone.{name}": value for name, value in self.tuned.merged().items()}
        if self.pretrained:
            weights |= {f"enter.{name}": value for name, value in self.enter.state_dict().items()}
            weights |= {f"leave.{name}": value for name, value in self.leave.state_dict().items()}
        arrays = {name: value.float().cpu().numpy().copy() for name, value in weights.items()}
        if self.pretrained:
            document = json.dumps(self.config.to_dict(), sort_keys=True, default=str)
            arrays["backbone_config"] = np.frombuffer(document.encode(), dtype=np.uint8).copy()
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


def _from_checkpoint(shape: Shape, config: BackboneConfig) -> "PreTrainedModel":
    from transformers import AutoModel
    from transformers.utils import logging as library_logging

    library_logging.disable_progress_bar()  # it loads in milliseconds
    assert config.checkpoint is not None
    options: dict[str, Any] = {"dtype": weights_dtype(config, place()[1])}
    try:
        model = AutoModel.from_pretrained(
            locate(config.checkpoint, None),
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
    drop_words(model)
    return model
