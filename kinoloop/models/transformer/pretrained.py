"""A trained checkpoint in service: the same work as `inference.py`, by torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinoloop.models.base import State
from kinoloop.models.transformer.backbone import rebuild
from kinoloop.models.transformer.inserted import last_hidden, restore

Array = NDArray[np.float32]
SAVED = ("backbone.", "enter.", "inserted.", "leave.")
"""What the names of saved arrays of a backbone begin with."""


class PretrainedReader:
    """A backbone of any kind, from saved arrays alone.

    Args:
        state: What `Backbone.arrays` gave.
    """

    def __init__(self, state: State) -> None:
        self.state = {
            name: value
            for name, value in state.items()
            if name.startswith(SAVED) or name == "backbone_config"
        }
        self._model = rebuild(state)
        inserted = {
            n.removeprefix("inserted."): v for n, v in state.items() if n[:9] == "inserted."
        }
        self._inserted = restore(inserted, self._model)

    @torch.inference_mode()
    def last_hidden(self, inputs_BLD: Array, lengths_B: NDArray[np.int64]) -> Array:
        """Hidden state at the last position of each row, (B, D) float32.

        Args:
            inputs_BLD: Embedded events, rows padded at the end.
            lengths_B: Events per row, ≥ 1, ascending.
        """
        steps = np.arange(inputs_BLD.shape[1])
        real_BL = steps < lengths_B[:, None]
        packed_PD = torch.from_numpy(inputs_BLD[real_BL])
        position_P = torch.from_numpy(np.broadcast_to(steps, real_BL.shape)[real_BL])
        sizes, counts = np.unique(lengths_B, return_counts=True)
        inputs = {
            "inputs_embeds": self._linear(packed_PD, "enter")[None],
            "position_ids": position_P[None],
            "use_cache": False,
            "runs": tuple(zip(counts.tolist(), sizes.tolist(), strict=True)),
        }
        if self._inserted is None:
            hidden_PH = last_hidden(self._model, inputs)[0]
        else:
            hidden_PH = self._inserted.read(self._model, inputs)[0]
        last_BD = self._linear(hidden_PH[torch.from_numpy(np.cumsum(lengths_B) - 1)], "leave")
        return np.asarray(last_BD.numpy())

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = (
            torch.from_numpy(self.state[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return torch.nn.functional.linear(x, weight, bias)
