"""What a checkpoint's files say about its vectors, read without loading it.

The facts of a checkpoint are its weights, the part of its configuration that the forward pass
depends on, its vocabulary and its preprocessing; they go into a fingerprint. File names, the place,
and the library version that saved it do not: the same model from the hub, from a folder and from a
package is one vector space.
"""

import json
from pathlib import Path
from typing import Any

from kinoloop.encoders.fingerprint import digest_files, fingerprint, library_versions
from kinoloop.errors import ConfigError

_IDLE = {
    "architectures",
    "dtype",
    "gradient_checkpointing",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "label2id",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
"""Keys of `config.json` that change no vector; nor do dropouts and names with a `_`."""

_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "*.model", "*.tiktoken")
_PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")


def weight_files(directory: Path) -> list[Path]:
    """List the weight files, sorted.

    Raises:
        ConfigError: There are no safetensors.
    """
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"{directory} holds no *.safetensors; other weight formats can run code and are not "
            "read. Convert them with `model.save_pretrained(folder)`"
        )
    return weights


def identify(
    family: str,
    code: int,
    directory: Path,
    *,
    libraries: tuple[str, ...] = ("transformers",),
    **facts: object,
) -> str:
    """Fingerprint of the vectors of a checkpoint.

    Args:
        family: Kind of the encoder.
        code: Version of our code for it.
        directory: Where its files are.
        libraries: Those that compute.
        facts: Whatever else changes a vector.

    Raises:
        ConfigError: There are no safetensors, or the configuration cannot be read.
    """
    return fingerprint(
        {
            "family": family,
            "code": code,
            "model": model_facts(directory),
            "libraries": library_versions(*libraries),
            **facts,
        }
    )


def model_facts(directory: Path) -> dict[str, Any]:
    """Weights and configuration.

    Raises:
        ConfigError: There are no safetensors, or the configuration cannot be read.
    """
    return {
        "weights": digest_files(weight_files(directory)),
        "config": _without_idle(read_json(directory, "config.json") or {}),
    }


def vocabulary_facts(directory: Path) -> str:
    """Digest of what turns text into tokens; padding and truncation are ours and do not count.

    Raises:
        ConfigError: There is no tokenizer.
    """
    tokenizer = read_json(directory, "tokenizer.json")
    if tokenizer is not None:
        counts = ("added_tokens", "model", "normalizer", "post_processor", "pre_tokenizer")
        return fingerprint({name: tokenizer.get(name) for name in counts})
    files = [file for pattern in _VOCABULARIES for file in directory.glob(pattern)]
    if not files:
        raise ConfigError(
            f"{directory} has no tokenizer.json and no vocabulary; save its tokenizer there with "
            "`tokenizer.save_pretrained(folder)`"
        )
    return fingerprint({"files": digest_files(files)})


def preprocessing(directory: Path) -> dict[str, Any]:
    """Read what the checkpoint says of its preprocessing.

    Raises:
        ConfigError: It says nothing.
    """
    for name in _PREPROCESSORS:
        found = read_json(directory, name)
        if found is not None:
            inner = found.get("image_processor") or found.get("feature_extractor") or found
            return {key: value for key, value in inner.items() if not key.startswith("_")}
    raise ConfigError(
        f"{directory} has no {_PREPROCESSORS[0]}; save the processor of the model there with "
        "`processor.save_pretrained(folder)`"
    )


def frame_side(directory: Path) -> int | None:
    """Shorter side, pixels, of a picture that preprocessing need not resize; None: it never does.

    Raises:
        ConfigError: The checkpoint says nothing of its preprocessing.
    """
    said = preprocessing(directory)
    size = _sides(said.get("size")) if said.get("do_resize", True) else []
    if len(size) == 1 and size[0] < 384 and said.get("crop_pct"):  # ConvNeXt, as `images._sizes`
        size = [int(size[0] / said["crop_pct"])]
    if not size and said.get("do_center_crop", "crop_size" in said):
        size = _sides(said.get("crop_size"))
    return max(size, default=None)


def sampling_rate(directory: Path) -> int | None:
    """Return samples per second of the sound that a checkpoint takes; None where it does not say.

    Raises:
        ConfigError: The checkpoint says nothing of its preprocessing.
    """
    rate = preprocessing(directory).get("sampling_rate")
    return int(rate) if rate else None


def read_json(directory: Path, name: str) -> dict[str, Any] | None:
    """One file of a checkpoint; None where it is not there.

    Raises:
        ConfigError: It is not a JSON object.
    """
    path = directory / name
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path} cannot be read: {err}; fetch the model again") from err
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is not a JSON object; fetch the model again")
    return found


def _sides(size: object) -> list[int]:
    """Lengths of sides that a size names: one number, the shortest edge, or height and width."""
    if isinstance(size, dict):
        named = [size.get(name) for name in ("shortest_edge", "height", "width")]
        return [int(side) for side in named if side]
    if isinstance(size, list | tuple):
        return [int(side) for side in size]
    return [int(size)] if isinstance(size, int) else []


def _without_idle(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_idle(value) if isinstance(value, dict) else value
        for key, value in sorted(config.items())
        if key not in _IDLE and not key.startswith("_") and "dropout" not in key
    }
