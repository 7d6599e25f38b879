"""Load Hugging Face models by name or folder: safetensors only, no code from a repository.

On a GPU in bfloat16 where there is one, on the CPU in float32 otherwise, without being told.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.fingerprint import digest_files
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "*.tiktoken")
"""What is fetched from a hub: never `.bin`, `.pt` or `.py`."""


@dataclass(frozen=True)
class Pretrained:
    """A model in memory.

    Attributes:
        model: In evaluation mode, on `device`.
        directory: Where its files are.
        device: Where it runs.
        dtype: Of its weights.
        digests: SHA-256 of its weight files, sorted.
    """

    model: Any
    directory: Path
    device: "torch.device"
    dtype: "torch.dtype"
    digests: list[str]


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
            f"model {name!r} is neither a folder nor can it be had from the hub: {err}"
        ) from err


def load(directory: Path, *, loader: str = "AutoModel") -> Pretrained:
    """Load weights.

    Args:
        directory: What `locate` gave.
        loader: Class of `transformers` that builds the model.

    Raises:
        ConfigError: There are no safetensors weights, or they do not fit the loader.
    """
    import transformers

    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"{directory} holds no *.safetensors; other weight formats can run code and are not "
            "read. Convert them with `model.save_pretrained(folder)`"
        )
    device, dtype = place()
    quieten: Any = transformers.utils.logging
    quieten.disable_progress_bar()  # it loads in milliseconds
    try:
        model = getattr(transformers, loader).from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=dtype,
        )
    except (OSError, ValueError, KeyError) as err:
        raise ConfigError(f"{directory} is no model for {loader}: {err}") from err
    model = model.to(device).eval()
    logger.info("loaded %s on %s in %s", directory.name, device, dtype)
    return Pretrained(model, directory, device, dtype, digest_files(weights))


def place() -> "tuple[torch.device, torch.dtype]":
    """Where models run here, and in which precision."""
    import torch

    if torch.cuda.is_available():
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return torch.device("cuda"), dtype
    return torch.device("cpu"), torch.float32


def normalise(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Scale rows to length 1, (n, dim) float32; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(
        rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12
    )
    return unit


def encode_present(
    inputs: Sequence[Any],
    present: NDArray[np.bool_],
    *,
    dim: int,
    encode: Callable[[list[Any]], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Encode the rows that are present and leave the others zero.

    Args:
        inputs: One a video; what stands where `present` is False is not looked at.
        present: (n,) bool.
        dim: Length of a vector.
        encode: Turns the inputs that are present into (k, dim) float32.
    """
    vectors = np.zeros((len(inputs), dim), dtype=np.float32)
    rows = np.flatnonzero(present)
    if len(rows):
        vectors[rows] = encode([inputs[int(row)] for row in rows])
    return vectors, present
