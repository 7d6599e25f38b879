"""What some policies put into a pretrained model beside its weights, which stay as they are.

- `prompt`: learned vectors that are read before the first video of each window.
- `prefix`: learned keys and values, in every layer, that each position of a window sees.
- `bottleneck`: after each layer a narrow map down and up again, added to what the layer gives; it
  starts at zero, so that an untrained model reads as it did.

peft has the first two for padded batches only; here windows are packed end to end in one row
(`attention.py`), so they are put in window by window.

Shapes: P packed positions, K vectors of a prompt or prefix, W the model's width, G heads of keys,
E size of a head.

Source: Lester et al., EMNLP 2021 (prompt tuning); Li and Liang, ACL 2021 (prefix tuning); Houlsby
et al., ICML 2019, and Pfeiffer et al., EACL 2021 (bottleneck adapters).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kinoloop.models.base import State
from kinoloop.models.transformer.attention import Runs
from kinoloop.models.transformer.layers import layers_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KINDS = ("prompt", "prefix", "bottleneck")
STD = 0.02  # of initial vectors


class Inserted(nn.Module):
    """Learned parts inside a model.

    Args:
        kind: One of `KINDS`.
        model: To put them into; bottlenecks hook into its layers.
        size: Vectors of a prompt or prefix, width of a bottleneck.
    """

    def __init__(self, kind: str, model: "PreTrainedModel", *, size: int) -> None:
        super().__init__()
        self.kind = kind
        config = model.config
        width, layers = int(config.hidden_size), layers_of(model)
        if kind == "prompt":
            self.prompt = nn.Parameter(torch.randn(size, width) * STD)
        elif kind == "prefix":
            heads = int(config.num_attention_heads)
            groups = int(getattr(config, "num_key_value_heads", None) or heads)
            head = int(getattr(config, "head_dim", None) or width // heads)
            shape = (len(layers), groups, size, head)
            self.keys = nn.Parameter(torch.randn(shape) * STD)
            self.values = nn.Parameter(torch.randn(shape) * STD)
        else:
            up = [nn.Linear(size, width) for _ in layers]
            for one in up:
                nn.init.zeros_(one.weight)
                nn.init.zeros_(one.bias)
            self.down = nn.ModuleList(nn.Linear(width, size) for _ in layers)
            self.up = nn.ModuleList(up)
            for number, layer in enumerate(layers):
                layer.register_forward_hook(self._after(number))

    def read(self, model: nn.Module, inputs: dict[str, Any]) -> Tensor:
        """Last hidden states of packed windows, as the model would give without what is inserted.

        Args:
            model: What it was put into.
            inputs: Its keyword arguments, `runs` among them.
        """
        if self.kind == "prefix":
            return last_hidden(model, {**inputs, "prefixes": (self.keys, self.values)})
        if self.kind == "bottleneck":
            return last_hidden(model, inputs)
        runs: Runs = inputs["runs"]
        take, real, runs = woven(runs, len(self.prompt))
        device = self.prompt.device
        embeds_PW, positions_P = inputs["inputs_embeds"][0], inputs["position_ids"][0]
        take_Q = torch.from_numpy(take).to(device)
        prompt_KW = self.prompt.to(embeds_PW.dtype)
        own_K = torch.arange(len(self.prompt), device=device)
        positions_Q = torch.cat([own_K, positions_P + len(self.prompt)])[take_Q]
        hidden = last_hidden(
            model,
            {
                **inputs,
                "inputs_embeds": torch.cat([prompt_KW, embeds_PW])[take_Q][None],
                "position_ids": positions_Q[None],
                "runs": runs,
            },
        )
        return hidden[:, torch.from_numpy(real).to(device)]

    def _after(self, number: int) -> Callable[[nn.Module, Any, Any], Any]:
        def add(_module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401 (torch's)
            hidden = output[0] if isinstance(output, tuple) else output
            narrow = torch.nn.functional.gelu(self.down[number](hidden.float()))
            hidden = hidden + self.up[number](narrow).to(hidden.dtype)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return add


def last_hidden(model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    """Last hidden states of a model of the transformers library."""
    hidden: Tensor = model(**inputs).last_hidden_state
    return hidden


def restore(state: State, model: "PreTrainedModel") -> Inserted | None:
    """Put back what was saved under its own names; None where nothing was inserted."""
    names = {name.partition(".")[0] for name in state}
    if not names:
        return None
    kind = "prompt" if "prompt" in names else "prefix" if "keys" in names else "bottleneck"
    sizes = {"prompt": ("prompt", 0), "prefix": ("keys", 2), "bottleneck": ("down.0.bias", 0)}
    name, axis = sizes[kind]
    with torch.random.fork_rng(devices=[]):  # weights are drawn, then overwritten
        inserted = Inserted(kind, model, size=state[name].shape[axis])
    inserted.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return inserted.eval()


def woven(runs: Runs, size: int) -> tuple[np.ndarray, np.ndarray, Runs]:
    """Put `size` vectors before each window of a row.

    Returns:
        Where each position of the new row is taken from, in the `size` vectors followed by the old
        row; which positions of the new row are those of the old one, in order; the new runs.

    Examples:
        >>> woven(((2, 1),), 1)
        (array([0, 1, 0, 2]), array([1, 3]), ((2, 2),))
    """
    take, start = [np.zeros(0, dtype=np.int64)], size
    for count, length in runs:
        rows = start + np.arange(count * length).reshape(count, length)
        before = np.broadcast_to(np.arange(size), (count, size))
        take.append(np.concatenate([before, rows], axis=1).ravel())
        start += count * length
    found = np.concatenate(take)
    return found, np.flatnonzero(found >= size), tuple((n, size + length) for n, length in runs)
