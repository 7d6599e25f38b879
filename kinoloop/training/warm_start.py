"""Warm start: which earlier training a candidate may go on from, and what it leaves for the next.

Nothing may have learned what it is measured on. An earlier training knows two moments: until when
it has learned (its training window) and until when its epochs were chosen (its validation window).
The first must not lie after the new training window, the second not after the beginning of the new
test window; else the new windows would hold what the weights have seen. That can only be told of a
cut in time: leave-one-out moves targets of each user into training as soon as the user goes on, so
it starts from scratch, and an earlier leave-one-out has learned all that was known.

Source: Ash and Adams, NeurIPS 2020 (warm starts generalise worse where data is old only; why a
training from scratch competes every n-th time).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from pydantic import Field
from safetensors.numpy import save_file

from kinoloop.data.ids import IdMap
from kinoloop.errors import BundleError
from kinoloop.evaluation.split import Split
from kinoloop.models.base import Recommender
from kinoloop.models.state import read_state
from kinoloop.models.warm_start import WarmStart
from kinoloop.settings import Config, FrozenRecord

VIDEOS = "video_ids"
SCRATCH = "-scratch"  # behind the name of a candidate that competes from random weights


class WarmStartConfig(Config):
    """Settings of `[retrain]` about going on from the champion."""

    warm_start: bool = Field(
        default=True, description="Go on from the champion's weights, where it has some."
    )
    warm_kinds: list[str] = Field(
        default_factory=lambda: ["concat_match"],
        description="Kinds that do; those whose quality held where it was measured.",
    )
    scratch_every: int = Field(
        4, ge=1, description="Every n-th retrain a candidate from random weights competes too."
    )
    replay: float = Field(
        1.0, ge=0, description="Old examples learned again, per new one; by validation."
    )
    warm_rate: float = Field(
        1.0, gt=0, le=1, description="Of the learning rate from scratch; by validation."
    )
    warm_epochs: float = Field(
        0.5, gt=0, le=1, description="Of the epochs from scratch; by validation."
    )


class Seen(FrozenRecord):
    """What an earlier release has seen.

    Attributes:
        trained_until: Newest event that was learned, µs.
        chosen_until: Newest event by which anything was chosen (epochs, winner), µs.
    """

    trained_until: int
    chosen_until: int


class Trained(FrozenRecord):
    """What stands beside the weights of a training, for the next one.

    Attributes:
        settings: Of the recommender.
        fingerprints: Of the encoders of the vectors that it read.
        trained_until: Newest event that was learned, µs.
        scratch_cpu_s: CPU seconds of the newest training from scratch of this candidate.
    """

    settings: dict[str, Any]
    fingerprints: dict[str, str]
    trained_until: int
    scratch_cpu_s: float


@dataclass(frozen=True)
class Parent:
    """An earlier training of one candidate.

    Attributes:
        trained: What it was.
        warm: Its weights, and how to go on from them.
        label: Its release, as in reports, such as "version 7 (1a2b3c…)".
    """

    trained: Trained
    warm: WarmStart
    label: str


def why_not(seen: Seen, split: Split, *, temporal: bool) -> str:
    """Why a release with such knowledge may not be gone on from; "" where it may.

    Args:
        seen: By the release.
        split: That the candidate will be trained and measured on.
        temporal: Whether the split is a cut in time.
    """
    if not temporal:
        return (
            "leave_one_out holds out events of all times, of which the champion has seen some; "
            'only split = "temporal" can go on from it'
        )
    newest, proof = int(split.train.timestamps.max()), int(split.test.targets.timestamps.min())
    if seen.trained_until > newest:
        return (
            "the champion has learned events of the new validation or test window; retrain when "
            "as many days have passed as both windows take"
        )
    if seen.chosen_until >= proof:
        return "the champion was chosen by events of the new test window"
    if seen.trained_until == newest:
        return "there are no events that the champion has not learned yet"
    return ""


def what_differs(trained: Trained, recommender: Recommender, fingerprints: dict[str, str]) -> str:
    """Say which settings or vectors are others than those of an earlier training; "" if none.

    A setting that is left open is none of them: the earlier training chose its own.
    """
    now, left_open = recommender.config.model_dump(mode="json"), recommender.config.left_open
    names = sorted(
        name
        for name in {*now, *trained.settings} - left_open
        if now.get(name) != trained.settings.get(name)
    )
    if names:
        changed = ", ".join(f"{n} {trained.settings.get(n)} → {now.get(n)}" for n in names)
        return f"settings have changed: {changed}"
    if trained.fingerprints != fingerprints:
        names = sorted(
            name
            for name in {*fingerprints, *trained.fingerprints}
            if fingerprints.get(name) != trained.fingerprints.get(name)
        )
        return f"vectors are of another encoder: {', '.join(names)}"
    return ""


def save_trained(
    path: Path, recommender: Recommender, *, trained_until: int, scratch_cpu_s: float
) -> bool:
    """Write what a later training goes on from; returns whether there is anything."""
    weights = recommender.learned()
    if not weights:
        return False
    trained = Trained(
        settings=recommender.config.model_dump(mode="json"),
        fingerprints=recommender.catalogue.fingerprints,
        trained_until=trained_until,
        scratch_cpu_s=scratch_cpu_s,
    )
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    listed = json.dumps(recommender.catalogue.ids.ids).encode()  # rows are theirs for good
    arrays[VIDEOS] = np.frombuffer(listed, dtype=np.uint8)
    save_file(arrays, path, metadata={"trained": trained.model_dump_json()})
    return True


def read_trained(path: Path) -> Trained:
    """Read what stands beside the weights.

    Raises:
        BundleError: The file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return Trained.model_validate(json.loads((file.metadata() or {})["trained"]))
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as err:
        raise BundleError(f"{path} holds no training: {err}; train from scratch") from err


def read_parent(path: Path, config: WarmStartConfig, *, label: str) -> Parent:
    """Read an earlier training of one candidate.

    Args:
        path: What `save_trained` wrote.
        config: How to go on from it.
        label: Its release, for people; of the same weights the same.

    Raises:
        BundleError: The file is damaged, or its numbers are not finite.
    """
    trained, weights = read_trained(path), read_state(path)
    try:
        videos = IdMap(json.loads(weights.pop(VIDEOS).tobytes()))
    except (KeyError, ValueError) as err:
        raise BundleError(f"{path} names no videos: {err}; train from scratch") from err
    warm = WarmStart(
        weights=weights,
        videos=videos,
        trained_until=trained.trained_until,
        replay=config.replay,
        rate=config.warm_rate,
        epochs=config.warm_epochs,
        identity=label,
    )
    return Parent(trained, warm, label)


def origin_of(recommender: Recommender, start: Parent | str, cpu_seconds: float) -> dict[str, Any]:
    """Say where the weights come from; nothing of what always starts anew."""
    if not recommender.goes_on:
        return {}
    if isinstance(start, Parent):
        return {
            "started_from": start.label,
            "scratch_cpu_seconds": start.trained.scratch_cpu_s,
        }
    return {"scratch_because": start, "scratch_cpu_seconds": cpu_seconds}
