"""Checkpoints of a training: one safetensors file an epoch, from any of which it goes on.

A file holds the trained weights, the optimiser's moments and, as JSON in its header, how far the
training is and its curve. Nothing random needs keeping: every epoch draws from (seed, epoch). The
newest files and that of the best epoch are kept. A file of other data or settings is ignored.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

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
        header = {"digest": self._digest, "progress": json.dumps(asdict(progress))}
        with durable.appearing(self._path(progress.epoch)) as fresh:
            save_file(arrays, fresh, metadata=header)
        stay = {progress.best_epoch, *range(progress.epoch - KEPT + 1, progress.epoch + 1)}
        for epoch, path in self._found().items():
            if epoch not in stay:
                path.unlink()

    def newest(self) -> tuple[Progress, State] | None:
        """The newest checkpoint of this training whose best epoch is there too; None without."""
        found = self._found()
        for epoch in sorted(found, reverse=True):
            progress = self._progress(found[epoch])
            if progress is not None and progress.best_epoch in {0, *found}:
                logger.info("going on from epoch %d of %s", epoch, self._directory)
                return progress, load_file(found[epoch])
        return None

    def of(self, epoch: int) -> State:
        """The arrays of an epoch."""
        return load_file(self._path(epoch))

    def _path(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch}.safetensors"

    def _found(self) -> Mapping[int, Path]:
        paths = self._directory.glob("epoch-*.safetensors")
        return {int(path.stem.removeprefix("epoch-")): path for path in paths}

    def _progress(self, path: Path) -> Progress | None:
        with safetensors.safe_open(path, framework="np") as file:
            header = file.metadata() or {}
        if header.get("digest") != self._digest:
            return None
        fields = json.loads(header["progress"])
        fields["curve"] = [(name, value, epoch) for name, value, epoch in fields["curve"]]
        return Progress(**fields)
