"""Language models by name: those that packages carry, a folder, or the hub."""

from pathlib import Path

from kinoloop.encoders import minilm, smollm2
from kinoloop.encoders.checkpoint import weight_files
from kinoloop.encoders.fingerprint import digest_files
from kinoloop.encoders.pretrained import locate

PACKAGED = ("minilm", "smollm2")


def find_language_model(name: str) -> Path:
    """Find the folder of a model.

    Args:
        name: One of `PACKAGED`, a hub name or a folder.

    Raises:
        ConfigError: There is no such model, or a packaged one has other weights.
        MissingPackageError: The package that carries it is not installed.
    """
    if name == "minilm":
        return minilm.packaged_model()
    if name == "smollm2":
        return smollm2.packaged_model()
    return locate(name, None)


def weights_of(name: str, folder: Path) -> str:
    """SHA-256 of the weights of a model that was found: of a packaged one, of the package's file.

    Args:
        name: As for `find_language_model`.
        folder: What it gave.

    Raises:
        ConfigError: The folder has no safetensors.
    """
    packaged = {"minilm": minilm.WEIGHTS.sha256, "smollm2": smollm2.WEIGHTS.sha256}
    return packaged.get(name) or " ".join(digest_files(weight_files(folder)))


def why_missing(name: str) -> str:
    """Return what to install where a packaged model is not there; "" where it is, or of others."""
    weights = {"minilm": minilm.WEIGHTS, "smollm2": smollm2.WEIGHTS}.get(name)
    if weights is None or weights.is_installed:
        return ""
    return f"package {weights.package!r} is not installed; `{weights.install}`"
