"""A part of a training step as tensors: its videos, each once, and what is compared with what."""

from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from kinoloop.models.transformer.batches import Batch
from kinoloop.models.transformer.losses import Compared
from kinoloop.models.transformer.negatives import Drawn
from kinoloop.models.transformer.network import Step

Parts = TypeVar("Parts", Step, Compared)


def step_tensors(
    batch: Batch, drawn: Drawn, *, salt: int, id_dropout: float
) -> tuple[Step, Compared]:
    """Put a part of a step together.

    Args:
        batch: What was watched, and what came next.
        drawn: What it is compared with; the same for all parts of the step.
        salt: Of the ids that are dropped; the same for all parts of the step.
        id_dropout: Share of videos without their id.
    """
    others, correction = drawn
    parts = [batch.videos, batch.targets, batch.asked, others]
    unique, places = np.unique(np.concatenate(parts), return_inverse=True)
    ends = np.cumsum([len(part) for part in parts[:-1]])
    inputs, positives, asked, negatives = np.split(places, ends)
    column_of = np.full(len(unique), -1, dtype=np.int64)
    column_of[negatives] = np.arange(len(negatives))
    columns = column_of[positives]
    clash = np.flatnonzero(columns >= 0)
    step = Step(
        video_V=torch.from_numpy(unique),
        keep_V=torch.from_numpy(uniform(unique, salt) >= id_dropout),
        input_P=torch.from_numpy(inputs),
        context_PC=torch.from_numpy(batch.context),
        position_P=torch.from_numpy(batch.positions),
        at_T=torch.from_numpy(batch.at),
        asked_at_A=torch.from_numpy(batch.asked_at),
        asked_A=torch.from_numpy(asked),
        runs=batch.runs,
    )
    return step, Compared(
        positive_T=torch.from_numpy(positives),
        negative_S=torch.from_numpy(negatives),
        correction_S=torch.from_numpy(correction),
        clash=(torch.from_numpy(clash), torch.from_numpy(columns[clash])),
    )


def uniform(videos: NDArray[np.int64], salt: int) -> NDArray[np.float64]:
    """Draw a number in [0, 1) for each video, the same in every process that knows the salt.

    Source: Steele et al., OOPSLA 2014 (SplitMix64's finaliser).
    """
    x = videos.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def to_device(inputs: Parts, device: torch.device) -> Parts:
    """Move inputs to a device; on the CPU return them as they are."""
    if device.type == "cpu":
        return inputs
    from accelerate.utils import send_to_device

    moved = {f.name: send_to_device(getattr(inputs, f.name), device) for f in fields(inputs)}
    return replace(inputs, **moved)
