"""Where models run: a GPU in bfloat16 where there is one, the CPU in float32 otherwise.

Nobody has to say so. Results are fetched once per call: the GPU works on one batch while the next
one is made ready.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@lru_cache(maxsize=1)
def place() -> "tuple[torch.device, torch.dtype]":
    """Where models run here, and in which precision; looked up once per process."""
    import torch

    if torch.cuda.is_available():
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return torch.device("cuda"), dtype
    return torch.device("cpu"), torch.float32


def compiled(forward: Callable[..., Any], *, wanted: bool) -> Callable[..., Any]:
    """Compile the forward pass where that is wanted: the first batch then takes a minute."""
    if not wanted:
        return forward
    import torch

    result: Callable[..., Any] = torch.compile(forward)
    return result


def fetch(batches: "Sequence[torch.Tensor]") -> NDArray[np.float32]:
    """Results of several batches as one array; the only place where anybody waits for the GPU."""
    import torch

    result: NDArray[np.float32] = torch.cat(list(batches)).float().cpu().numpy()
    return result
