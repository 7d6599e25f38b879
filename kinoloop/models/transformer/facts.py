"""What is on record of a fine-tuned backbone: model, policy, how much, and the result.

The facts travel in the saved state, beside the weights that they are of: a release says which
weights it was made from, and two releases tell whether their adapters are the same.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.models.base import State
from kinoloop.settings import FrozenRecord

if TYPE_CHECKING:
    import torch

NAME = "backbone_facts"
"""Of the array that holds them."""


class TuningFacts(FrozenRecord):
    """How a pretrained model was fine-tuned.

    Attributes:
        model: Its name or folder.
        weights: SHA-256 of its weights, as they came.
        layers: Of it that are read.
        policy: What was trained of it.
        trainable: Parameters that were trained, projections around it included.
        adapter: SHA-256 of those parameters; of "head" the projections alone.
    """

    model: str
    weights: str
    layers: int
    policy: str
    trainable: int
    adapter: str


def digest_of(parameters: "Iterable[tuple[str, torch.Tensor]]") -> str:
    """SHA-256 of names, shapes and values."""
    hasher = hashlib.sha256()
    for name, value in sorted(parameters, key=lambda one: one[0]):
        array = value.detach().float().cpu().contiguous().numpy()
        hasher.update(f"{name} {array.shape} ".encode())
        hasher.update(array.data)
    return hasher.hexdigest()


def to_array(facts: TuningFacts) -> NDArray[np.uint8]:
    """Return facts as an array that a state can hold."""
    return np.frombuffer(facts.model_dump_json().encode(), dtype=np.uint8).copy()


def facts_in(state: State) -> TuningFacts | None:
    """Read the facts of a state; None where nothing pretrained is in it, or it is an older one."""
    if NAME not in state:
        return None
    return TuningFacts.model_validate(json.loads(state[NAME].tobytes()))
