"""Checkpoints of a training: one safetensors file per epoch, from any of which it goes on.

A file holds the trained weights, the optimiser's moments and, as JSON in its header, how far the
training is and its curve. Nothing random needs keeping: every epoch draws from (seed, epoch). The
newest files and that of the best epoch are kept. A file of other data or settings is ignored; one
that is damaged is passed over with a warning, and the training goes on from the one before it.
"""

import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

from kinoloop import durable
from kinoloop.models.base import State

logger = logging.getLogger(__name__)

KEPT = 2  # newest files, beside the best


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: Epochs that are done.
        best: Best validation NDCG@10 so far; −1 without validation.
        best_epoch: Where it was reached.
        curve: (metric, value, epoch) as reported.
    """

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    curve: list[tuple[str, float, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Resumed:
    """Where a training goes on.

    Attributes:
        progress: Of the checkpoint.
        arrays: Of the checkpoint.
        best: Arrays of the best epoch so far; empty without validation.
    """

    progress: Progress
    arrays: State
    best: State


class Checkpoints:
    """The checkpoints of one training.

    Args:
        directory: Made when the first one is written.
        digest: Of data and settings.
    """

    def __init__(self, directory: Path, digest: str) -> None:
        self._directory, self._digest = directory, digest

    def save(self, progress: Progress, arrays: State) -> None:
        """Write the checkpoint of an epoch; it appears whole or not at all."""
        header = {
            "digest": self._digest,
            "progress": json.dumps(asdict(progress)),
            "checksum": _checksum(arrays),
        }
        with durable.appearing(self._path(progress.epoch)) as fresh:
            save_file(arrays, fresh, metadata=header)
        stay = {progress.best_epoch, *range(progress.epoch - KEPT + 1, progress.epoch + 1)}
        for epoch, path in self._found().items():
            if epoch not in stay:
                path.unlink()

    def newest(self) -> Resumed | None:
        """Find the newest whole checkpoint of this training whose best epoch is whole too."""
        found = self._found()
        for epoch in sorted(found, reverse=True):
            whole = self._read(found[epoch])
            if whole is None:
                continue
            progress, arrays = whole
            best = None if progress.best < 0 else self._read(self._path(progress.best_epoch))
            if progress.best >= 0 and best is None:
                continue
            logger.info("going on from epoch %d of %s", epoch, self._directory)
            return Resumed(progress, arrays, {} if best is None else best[1])
        return None

    def _path(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch}.safetensors"

    def _found(self) -> Mapping[int, Path]:
        paths = self._directory.glob("epoch-*.safetensors")
        return {int(path.stem.removeprefix("epoch-")): path for path in paths}

    def _read(self, path: Path) -> tuple[Progress, State] | None:
        """Read a checkpoint of this training; None where it is of another, gone or damaged."""
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="np") as file:
                header = file.metadata() or {}
            if header.get("digest") != self._digest:
                return None
            arrays = load_file(path)
            fields = json.loads(header["progress"])
            fields["curve"] = [(name, value, epoch) for name, value, epoch in fields["curve"]]
            progress = Progress(**fields)
            damage = "" if header.get("checksum") == _checksum(arrays) else "its checksum differs"
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as err:
            damage = str(err)
        if damage:
            logger.warning("checkpoint %s is damaged and passed over: %s", path, damage)
            return None
        return progress, arrays


def _checksum(arrays: State) -> str:
    """CRC-32 of names and contents: what a disk does to a file, the format does not notice."""
    found = 0
    for name in sorted(arrays):
        content = np.ascontiguousarray(arrays[name]).view(np.uint8).data
        found = zlib.crc32(content, zlib.crc32(name.encode(), found))
    return f"{found:08x}"
