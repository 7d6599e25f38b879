"""The trained transformer read in plain numpy: the last hidden state of each history.

For one short history the layers of a framework cost more than the arithmetic: this path answers in
0.2 ms on one thread, and needs no torch in the service. What does not depend on the input is folded
into the weights once: scale and shift of a layer norm into the linear map after it, the temperature
of attention into the queries, the half of GELU into the map after it. In the last layer only the
last position is computed. It gives what the network gives (a test holds the two together to 1e-4).

Shapes: B rows, L positions, N = B·L, Q positions that ask, D the embedding size, H heads.

Source: Radford et al., 2019 (GPT-2: pre-norm blocks, learned positions, tanh GELU).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EPSILON = np.float32(1e-5)  # of GPT-2's layer norm
ROWS_AT_A_TIME = 128  # of what is widest about 1 MB, which stays in the cache
_TANH_1 = np.float32(np.sqrt(2 / np.pi))
_TANH_3 = np.float32(np.sqrt(2 / np.pi) * 0.044715)


class Reads(Protocol):
    """Turns embedded histories into hidden states."""

    def last_hidden(
        self, inputs_BLD: NDArray[np.float32], lengths_B: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Hidden state at the last position of each row, (B, D)."""


class _Linear(NamedTuple):
    """x @ weight + bias."""

    weight: Array
    bias: Array

    def __call__(self, x_ND: Array) -> Array:
        y = x_ND @ self.weight
        y += self.bias
        return y

    def after_norm(self, scale: Array, shift: Array) -> "_Linear":
        """Return the same map for an input that is not yet scaled and shifted."""
        return _Linear(
            np.ascontiguousarray(scale[:, None] * self.weight), self.bias + shift @ self.weight
        )

    def outputs(self, start: int, end: int, *, times: float = 1.0) -> "_Linear":
        """Only some of the outputs, multiplied."""
        factor = np.float32(times)
        return _Linear(
            np.ascontiguousarray(self.weight[:, start:end] * factor), self.bias[start:end] * factor
        )


class _Block(NamedTuple):
    """One block, folded."""

    query: _Linear
    key: _Linear
    value: _Linear
    mixed: _Linear
    wide: _Linear
    narrow: _Linear


@dataclass(frozen=True)
class Reader:
    """Weights of the backbone and how many heads share them.

    Attributes:
        weights: Arrays by their name in `GPT2Model`, float32.
        layers: Blocks.
        heads: Attention heads per block.
    """

    weights: dict[str, Array]
    layers: int
    heads: int

    def last_hidden(self, inputs_BLD: Array, lengths_B: NDArray[np.int64]) -> Array:
        """Hidden state at the last position of each row, (B, D) float32.

        Args:
            inputs_BLD: Embedded events, rows padded at the end.
            lengths_B: Events per row, ≥ 1.
        """
        rows, steps, dim = inputs_BLD.shape
        x_ND = (inputs_BLD + self.weights["wpe.weight"][:steps]).reshape(-1, dim)
        every = np.arange(steps)
        for block in self._blocks[:-1]:
            x_ND = self._apply(block, x_ND, x_ND, rows=rows, future_BQL=every > every[:, None])
        last_BD = x_ND[np.arange(rows) * steps + lengths_B - 1]
        future_BQL = None if rows == 1 else (every >= lengths_B[:, None])[:, None]
        last_BD = self._apply(self._blocks[-1], last_BD, x_ND, rows=rows, future_BQL=future_BQL)
        scale, shift = self.weights["ln_f.weight"], self.weights["ln_f.bias"]
        return np.asarray(_normed(last_BD) * scale + shift)

    def _apply(
        self,
        block: _Block,
        x_MD: Array,
        all_ND: Array,
        *,
        rows: int,
        future_BQL: NDArray[np.bool_] | None,
    ) -> Array:
        """One block for the positions `x`, M = B·Q, which see all but their future."""
        normed_ND = _normed(all_ND)
        asking_MD = normed_ND if x_MD is all_ND else _normed(x_MD)
        query_BHQd = self._heads(block.query(asking_MD), rows)
        key_BHLd = self._heads(block.key(normed_ND), rows)
        value_BHLd = self._heads(block.value(normed_ND), rows)
        logits_BHQL = query_BHQd @ key_BHLd.swapaxes(-1, -2)
        if future_BQL is not None:
            hidden = future_BQL[:, None] if future_BQL.ndim == 3 else future_BQL
            np.copyto(logits_BHQL, np.float32(-np.inf), where=hidden)
        attended = (_softmax(logits_BHQL) @ value_BHLd).swapaxes(1, 2).reshape(x_MD.shape)
        x_MD = x_MD + block.mixed(attended)
        return np.asarray(x_MD + block.narrow(_twice_gelu(block.wide(_normed(x_MD)))))

    def _heads(self, x_ND: Array, rows: int) -> Array:
        """(B·L, D) to (B, H, L, D / H)."""
        return x_ND.reshape(rows, len(x_ND) // rows, self.heads, -1).swapaxes(1, 2)

    @cached_property
    def _blocks(self) -> tuple[_Block, ...]:
        return tuple(self._fold(f"h.{layer}") for layer in range(self.layers))

    def _fold(self, name: str) -> _Block:
        first = self._part(f"{name}.ln_1")
        attention = self._part(f"{name}.attn.c_attn").after_norm(*first)
        dim = len(first.bias)
        return _Block(
            query=attention.outputs(0, dim, times=(dim // self.heads) ** -0.5),
            key=attention.outputs(dim, 2 * dim),
            value=attention.outputs(2 * dim, 3 * dim),
            mixed=self._part(f"{name}.attn.c_proj"),
            wide=self._part(f"{name}.mlp.c_fc").after_norm(*self._part(f"{name}.ln_2")),
            narrow=self._halved(f"{name}.mlp.c_proj"),
        )

    def _halved(self, name: str) -> _Linear:
        whole = self._part(name)
        return _Linear(whole.weight * np.float32(0.5), whole.bias)

    def _part(self, name: str) -> _Linear:
        return _Linear(self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


def reader_of(backbone: dict[str, Array], layers: int, heads: int) -> Reads:
    """Read a backbone: in numpy, or in torch where it was pretrained."""
    if "backbone_config" in backbone:
        from kinoloop.models.transformer.pretrained import PretrainedReader

        return PretrainedReader(backbone)
    weights = {name.removeprefix("backbone."): value for name, value in backbone.items()}
    return Reader(weights, layers, heads)


def is_of_backbone(name: str) -> bool:
    """Whether an array of a state is one that a backbone is read from."""
    parts = ("backbone.", "enter.", "inserted.", "leave.", "backbone_config", "backbone_facts")
    return name.startswith(parts)


def alike(rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows in groups of like length: padding all to the longest took five times the arithmetic."""
    order = np.argsort(lengths, kind="stable")
    rows, lengths = rows[order], lengths[order]
    start = 0
    while start < len(rows):
        longest = int(lengths[start]) * 3 // 2
        stop = min(int(np.searchsorted(lengths, longest, "right")), start + ROWS_AT_A_TIME)
        yield rows[start:stop]
        start = stop


def _softmax(logits: Array) -> Array:
    """Over the last axis; `logits` are overwritten."""
    logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= _sums(logits)
    return logits


def _sums(x: Array) -> Array:
    """Over the last axis, which stays; `x.sum` would go through two more layers of Python."""
    return np.asarray(np.add.reduce(x, axis=-1, keepdims=True), dtype=np.float32)


def _normed(x_ND: Array) -> Array:
    """Zero mean and unit variance per row."""
    dim = np.float32(x_ND.shape[1])
    centred = x_ND - _sums(x_ND) / dim
    variance_N = np.einsum("nd,nd->n", centred, centred) / dim
    centred /= np.sqrt(variance_N + EPSILON)[:, None]
    return centred


def _twice_gelu(x: Array) -> Array:
    """Two GELU: x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""
    inner = x * x
    inner *= _TANH_3
    inner += _TANH_1
    inner *= x
    np.tanh(inner, out=inner)
    inner += 1
    inner *= x
    return inner
