"""The stack of layers of a pretrained model, whatever its class calls it."""

from typing import TYPE_CHECKING

from torch import nn

from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def layers_of(model: "PreTrainedModel") -> nn.ModuleList:
    """Find the layers.

    Raises:
        ConfigError: The model has no stack of as many layers as it says.
    """
    count = int(model.config.num_hidden_layers)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ConfigError(
        f"{type(model).__name__} has no stack of {count} layers; name another backbone.checkpoint"
    )


def keep_first(model: "PreTrainedModel", count: int) -> None:
    """Drop all layers but the first, in place; the norm after them stays.

    Raises:
        ConfigError: There are fewer.
    """
    layers = layers_of(model)
    if count > len(layers):
        raise ConfigError(
            f"backbone.layers is {count}, but {type(model).__name__} has {len(layers)}"
        )
    del layers[count:]
    model.config.num_hidden_layers = count
    kinds = getattr(model.config, "layer_types", None)
    if kinds is not None:
        model.config.layer_types = list(kinds)[:count]
