"""The trained transformer read in plain numpy: the last hidden state of each history.

For one short history the layers of a framework cost more than the arithmetic: this path makes
about thirty array calls and answers in a fraction of a millisecond on one thread, and needs no
torch in the service. In the last layer only the last position is computed. It gives what the
network gives (a test holds the two together to 1e-4).

Shapes: B rows, L positions, D the embedding size, H heads.

Source: Radford et al., 2019 (GPT-2: pre-norm blocks, learned positions, tanh GELU).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EPSILON = 1e-5  # of GPT-2's layer norm
ROWS_AT_A_TIME = 512


@dataclass(frozen=True)
class Reader:
    """Weights of the backbone and how many heads share them.

    Attributes:
        weights: Arrays by their name in `GPT2Model`, float32.
        layers: Blocks.
        heads: Attention heads a block.
    """

    weights: dict[str, Array]
    layers: int
    heads: int

    def last_hidden(self, inputs_BLD: Array, lengths_B: NDArray[np.int64]) -> Array:
        """Hidden state at the last position of each row, (B, D) float32.

        Args:
            inputs_BLD: Embedded events, rows padded at the end.
            lengths_B: Events a row, ≥ 1.
        """
        positions = self.weights["wpe.weight"][: inputs_BLD.shape[1]]
        x_BLD = inputs_BLD + positions
        steps = np.arange(x_BLD.shape[1])
        for layer in range(self.layers - 1):
            x_BLD = self._block(x_BLD, x_BLD, steps[None, :], layer)
        last_B1D = x_BLD[np.arange(len(x_BLD)), lengths_B - 1][:, None]
        last_B1D = self._block(last_B1D, x_BLD, (lengths_B - 1)[:, None], self.layers - 1)
        return self._norm(last_B1D[:, 0], "ln_f")

    def _block(
        self, x_BQD: Array, all_BLD: Array, position_BQ: NDArray[np.int64], layer: int
    ) -> Array:
        """One block for the query positions `x`, which see every position up to their own."""
        name = f"h.{layer}"
        dim, whole = x_BQD.shape[-1], x_BQD is all_BLD
        normed_BLD = self._norm(all_BLD, f"{name}.ln_1")
        mixed = self._linear(normed_BLD, f"{name}.attn.c_attn")
        key, value = self._split(mixed[..., dim : 2 * dim]), self._split(mixed[..., 2 * dim :])
        query = mixed[..., :dim] if whole else _pick(mixed[..., :dim], position_BQ)
        logits = self._split(query) @ key.swapaxes(-1, -2) / np.float32(np.sqrt(dim // self.heads))
        future = np.arange(all_BLD.shape[1]) > position_BQ[..., None]
        logits[np.broadcast_to(future[:, None], logits.shape)] = -np.inf
        attended = (_softmax(logits) @ value).swapaxes(1, 2).reshape(x_BQD.shape)
        x_BQD = x_BQD + self._linear(attended, f"{name}.attn.c_proj")
        wide = _gelu(self._linear(self._norm(x_BQD, f"{name}.ln_2"), f"{name}.mlp.c_fc"))
        return np.asarray(x_BQD + self._linear(wide, f"{name}.mlp.c_proj"))

    def _split(self, x_BLD: Array) -> Array:
        """(B, L, D) to (B, H, L, D / H)."""
        return x_BLD.reshape(*x_BLD.shape[:-1], self.heads, -1).swapaxes(1, 2)

    def _linear(self, x: Array, name: str) -> Array:
        return np.asarray(x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(EPSILON))
        return np.asarray(scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])


def _pick(x_BLD: Array, position_B1: NDArray[np.int64]) -> Array:
    return x_BLD[np.arange(len(x_BLD))[:, None], position_B1]


def _softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def _gelu(x: Array) -> Array:
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))
