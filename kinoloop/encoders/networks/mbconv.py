"""EfficientNet-Lite: inverted bottlenecks of depthwise convolutions, with batch norms folded in.

The layers are read off the weights (their names are those of the PyTorch port that most checkpoints
follow); only strides stand in no weight. Folding each batch norm into its convolution and channels
last save more than half of the time on a CPU (one core, 224 × 224, eight at a time: 44 to 18 ms).

Source: Tan and Le, "EfficientNet", 2019, table 1; Lite leaves out squeeze-and-excitation, and takes
ReLU6 for swish. Padding is TensorFlow's SAME: what is odd of it lies right and below.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import pad

EPSILON = 1e-3
"""Of the batch norms, TensorFlow's."""

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the depthwise convolution by block, from B0 and Lite0."""

Weights = Mapping[str, torch.Tensor]


class LiteNet(nn.Module):
    """EfficientNet-Lite0.

    Args:
        weights: By name.

    Attributes:
        classify: From features (n, 1280) to logits (n, n_classes).
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        blocks = [_Block(weights, i, stride) for i, stride in enumerate(STRIDES)]
        self._layers = nn.Sequential(
            _Convolution(weights, "_conv_stem", "_bn0", stride=2),
            *blocks,
            _Convolution(weights, "_conv_head", "_bn1"),
        )
        classes, features = weights["_fc.weight"].shape
        self.classify = nn.Linear(features, classes)
        self.classify.load_state_dict(
            {"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]}
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features of pictures: (n, 3, height, width) to (n, 1280), none of them negative."""
        maps: torch.Tensor = self._layers(pixels.contiguous(memory_format=torch.channels_last))
        return maps.mean((2, 3))


class _Convolution(nn.Module):
    """A convolution with its batch norm folded in, and ReLU6 unless it is a projection."""

    def __init__(
        self, weights: Weights, name: str, norm: str, *, stride: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        kernel = weights[f"{name}.weight"]
        scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
        out, into, side, _ = kernel.shape
        groups = out if into == 1 else 1  # depthwise
        self._side, self._stride = side, stride
        self._convolve = nn.Conv2d(
            into * groups, out, side, stride, padding=side // 2 if stride == 1 else 0, groups=groups
        )
        folded = (kernel * scale.view(-1, 1, 1, 1)).contiguous(memory_format=torch.channels_last)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        self._convolve.weight, self._convolve.bias = nn.Parameter(folded), nn.Parameter(bias)
        self._activate: nn.Module = nn.Identity() if linear else nn.ReLU6(inplace=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self._stride > 1:
            maps = pad(maps, [*self._padding(maps.shape[3]), *self._padding(maps.shape[2])])
        result: torch.Tensor = self._activate(self._convolve(maps))
        return result

    def _padding(self, length: int) -> tuple[int, int]:
        """Before and after, such that every stride-th place has an output."""
        steps = (length - 1) // self._stride
        missing = max(steps * self._stride + self._side - length, 0)
        return missing // 2, missing - missing // 2


class _Block(nn.Module):
    """Expand (but in the first block), look around by channel, project; add where shapes agree."""

    def __init__(self, weights: Weights, number: int, stride: int) -> None:
        super().__init__()
        at = f"_blocks.{number}."
        layers = [
            _Convolution(weights, f"{at}_depthwise_conv", f"{at}_bn1", stride=stride),
            _Convolution(weights, f"{at}_project_conv", f"{at}_bn2", linear=True),
        ]
        if f"{at}_expand_conv.weight" in weights:
            layers.insert(0, _Convolution(weights, f"{at}_expand_conv", f"{at}_bn0"))
        self._layers = nn.Sequential(*layers)
        first = weights[f"{at}{'_expand' if len(layers) == 3 else '_depthwise'}_conv.weight"]
        enters = first.shape[1] if len(layers) == 3 else first.shape[0]
        leaves = weights[f"{at}_project_conv.weight"].shape[0]
        self._adds = stride == 1 and enters == leaves

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self._layers(maps)
        return maps + result if self._adds else result
