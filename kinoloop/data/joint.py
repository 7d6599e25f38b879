"""The joint vector x′ of a video: its modalities in one learned space, added up.

    x′(a) = normalise( Σ over m of [m in a] · normalise(W_m (a_m − μ_m)) )

The projections W are learned so that what a video shows, sounds like and says agree
(`kinoloop/training/contrastive.py`). What they need to be computed for a video that came later is
small and lies in the release, so that publishing trains nothing. A catalogue has x′ as one more
modality, `joint`, whose fingerprint holds the digest of the projections and names the vectors that
they read: recommenders and the ranker take it like any other. It is missing only where all are.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.fusion import centred_as
from kinoloop.errors import BundleError

JOINT = "joint"
"""Name of the modality."""

FILE = "joint.safetensors"
"""Name of the file in a release."""

VERSION = 1
"""Raised when the same projections would give other vectors."""

ROWS = 8192  # projected at a time
SHORTEST = np.float32(1e-6)  # a shorter vector points nowhere


@dataclass(frozen=True)
class Joint:
    """Learned projections of the modalities into one space of D dimensions.

    Attributes:
        weights: (D, dim) float32 by modality.
        means: (dim,) float32 by modality, which are taken off first.
        reads: Fingerprint of the vectors of each modality.
        measured: How training went, such as `held_out_loss`.
    """

    weights: Mapping[str, NDArray[np.float32]]
    means: Mapping[str, NDArray[np.float32]]
    reads: Mapping[str, str]
    measured: Mapping[str, float]

    @property
    def fingerprint(self) -> str:
        """Of the vectors that it makes."""
        found = hashlib.sha256(json.dumps([VERSION, sorted(self.reads.items())]).encode())
        for name in sorted(self.weights):
            found.update(np.ascontiguousarray(self.weights[name]).data)
            found.update(np.ascontiguousarray(self.means[name]).data)
        return f"contrastive-{VERSION}:{found.hexdigest()[:16]}"

    def of(
        self, modalities: Mapping[str, Modality], asked: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Compute x′ of some videos.

        Args:
            modalities: Of the catalogue.
            asked: (n,) positions.

        Returns:
            (n, D) float32 of length 1, zero where there is nothing; and (n,) whether there is.
        """
        dim = next(iter(self.weights.values())).shape[0]
        summed = np.zeros((len(asked), dim), dtype=np.float32)
        for name, weight in self.weights.items():
            modality, mean = modalities[name], self.means[name]
            for start in range(0, len(asked), ROWS):
                rows = asked[start : start + ROWS]
                projected = (modality.vectors[rows] - mean) @ weight.T
                part = _normalised(projected) * modality.present[rows][:, None]
                summed[start : start + ROWS] += part
        made = _normalised(summed)
        return made, np.asarray(made.any(axis=1))

    def added_to(self, catalogue: Catalogue) -> Catalogue:
        """Return a catalogue with x′ as one more modality."""
        vectors, present = self.of(catalogue.modalities, np.arange(len(catalogue)))
        joint = Modality(vectors, present, self.fingerprint)
        return replace(catalogue, modalities={**catalogue.modalities, JOINT: joint})

    def grown(
        self, modalities: Mapping[str, Modality], before: Modality, moved: NDArray[np.bool_]
    ) -> Modality:
        """Bring x′ up to date: what was there stays, bit for bit, but where it moved or is new.

        Args:
            modalities: Of the grown catalogue.
            before: x′ of its first videos.
            moved: (n_before,) whose vectors are others now.
        """
        n_before, n_videos = len(before.present), len(next(iter(modalities.values())).present)
        vectors = np.zeros((n_videos, before.vectors.shape[1]), dtype=np.float32)
        present = np.zeros(n_videos, dtype=np.bool_)
        vectors[:n_before], present[:n_before] = before.vectors, before.present
        asked = np.concatenate([np.flatnonzero(moved), np.arange(n_before, n_videos)])
        vectors[asked], present[asked] = self.of(modalities, asked)
        grown = Modality(vectors, present, before.fingerprint)
        return replace(grown, centred=centred_as(before, grown, asked))

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        arrays: dict[str, NDArray[Any]] = {}
        for name in self.weights:
            arrays[f"weight.{name}"] = np.ascontiguousarray(self.weights[name])
            arrays[f"mean.{name}"] = np.ascontiguousarray(self.means[name])
        facts = {"reads": dict(self.reads), "measured": dict(self.measured)}
        save_file(arrays, path, metadata={"joint": json.dumps(facts, sort_keys=True)})

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> "Joint":
        """Read what `save` wrote.

        Args:
            path: The file.
            fingerprint: Of the vectors that it must make.

        Raises:
            BundleError: It is damaged, or makes other vectors.
        """
        try:
            with safe_open(path, framework="np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
                facts = json.loads((file.metadata() or {})["joint"])
            names = sorted(facts["reads"])
            found = cls(
                weights={name: arrays[f"weight.{name}"] for name in names},
                means={name: arrays[f"mean.{name}"] for name in names},
                reads=facts["reads"],
                measured=facts["measured"],
            )
            made = found.fingerprint
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise BundleError(f"{path} cannot be read: {err}; fetch the bundle again") from err
        if made != fingerprint:
            raise BundleError(
                f"{path} makes vectors {made}, expected {fingerprint}; fetch the bundle again"
            )
        return found


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=scaled, where=lengths > SHORTEST)
    return scaled
