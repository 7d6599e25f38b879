"""Load Hugging Face models by name or folder: safetensors only, no code from a repository.

They run where `kinoloop.devices` says. Input goes through pinned memory without waiting.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.devices import place
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "*.tiktoken")
"""What is fetched from a hub: never `.bin`, `.pt` or `.py`."""

UNUSED = ("masked_spec_embed", "position_ids")
"""Ends of the names of weights that a checkpoint may lack: nothing here looks at them."""


@dataclass(frozen=True)
class Pretrained:
    """A model in memory.

    Attributes:
        model: In evaluation mode, on `device`.
        directory: Where its files are.
        device: Where it runs.
        dtype: Of its weights.
        has_pooler: Whether the checkpoint has weights for its pooler; without them the class
            makes them up at random.
    """

    model: Any
    directory: Path
    device: "torch.device"
    dtype: "torch.dtype"
    has_pooler: bool = True

    def send(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Put a tensor where the model is; numbers with a point in the model's precision."""
        if self.device.type == "cuda" and not tensor.is_pinned():
            tensor = tensor.pin_memory()
        there = tensor.to(self.device, non_blocking=True)  # with a dtype it would convert here
        return there.to(self.dtype) if there.is_floating_point() else there

    def stack(self, arrays: Sequence[NDArray[Any]]) -> "torch.Tensor":
        """Arrays of one shape as one tensor where the model is; copied once, and not waited for."""
        import torch

        first = torch.from_numpy(np.empty(0, arrays[0].dtype))
        shape = (len(arrays), *arrays[0].shape)
        buffer = torch.empty(shape, dtype=first.dtype, pin_memory=self.device.type == "cuda")
        view = buffer.numpy()
        for row, array in zip(view, arrays, strict=True):
            row[...] = array
        return buffer.to(self.device, non_blocking=True)


def locate(name: str, revision: str | None) -> Path:
    """Find a model's files: a folder as it is, a hub name in the local cache or from the hub.

    Raises:
        ConfigError: There is no such folder and no such model.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as err:
        raise ConfigError(
            f"model {name!r} is neither a folder nor available on the hub: {err}"
        ) from err


def load(
    directory: Path, *, loader: str = "AutoModel", dtype: "torch.dtype | None" = None
) -> Pretrained:
    """Load weights.

    Args:
        directory: What `locate` gave.
        loader: Class of `transformers` that builds the model.
        dtype: Of the weights; None is that of `place`.

    Raises:
        ConfigError: There are no safetensors weights, they do not fit the loader, some are missing,
            or a package that the model needs is.
    """
    import transformers

    from kinoloop.encoders.checkpoint import weight_files  # reads of the tables, too

    weight_files(directory)
    device, dtype = place()[0], dtype or place()[1]
    quieten: Any = transformers.utils.logging
    quieten.disable_progress_bar()  # it loads in milliseconds
    try:
        model, loading = getattr(transformers, loader).from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=dtype,
            output_loading_info=True,
        )
    except ImportError as err:
        raise ConfigError(
            f"{directory} needs a package that is not installed: {first_line(err)}; install it, "
            "or name a model that transformers has a class of its own for"
        ) from err
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        raise ConfigError(f"{directory} is not a model for {loader}: {err}") from err
    missing = {name for name in loading["missing_keys"] if not name.endswith(UNUSED)}
    unpooled = {name for name in missing if "pooler" in name.split(".")}
    if missing - unpooled:
        raise ConfigError(
            f"{directory} lacks {len(missing)} weights of {type(model).__name__}, such as "
            f"{min(missing - unpooled)!r}; they would be random. Fetch the model again"
        )
    model = model.to(device).eval()
    logger.info("loaded %s on %s in %s", directory.name, device, dtype)
    return Pretrained(model, directory, device, dtype, has_pooler=not unpooled)


def first_line(err: Exception) -> str:
    """Return what an error of a library says first."""
    return (str(err).strip() or type(err).__name__).splitlines()[0]


def normalise(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Scale rows to length 1, (n, dim) float32; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(
        rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12
    )
    return unit


def mean_of_units(vectors: NDArray[np.float32], counts: Sequence[int]) -> NDArray[np.float32]:
    """One unit vector per video: the mean of the unit vectors of its parts.

    Args:
        vectors: (parts of all videos, dim), video by video.
        counts: Parts of each video, at least 1.
    """
    starts = np.cumsum([0, *counts])[:-1]
    return normalise(np.add.reduceat(normalise(vectors), starts, axis=0))


def encode_present(
    inputs: Sequence[Any],
    present: NDArray[np.bool_],
    *,
    dim: int,
    encode: Callable[[list[Any]], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Encode the rows that are present and leave the others zero.

    Args:
        inputs: One per video; what stands where `present` is False is not looked at.
        present: (n,) bool.
        dim: Length of a vector.
        encode: Turns the inputs that are present into (k, dim) float32.
    """
    vectors = np.zeros((len(inputs), dim), dtype=np.float32)
    rows = np.flatnonzero(present)
    if len(rows):
        vectors[rows] = encode([inputs[int(row)] for row in rows])
    return vectors, present
