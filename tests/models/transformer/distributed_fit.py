"""Fits the toy world and writes the curve; run by torchrun in test_distributed.py."""

import json
import os
import sys
from pathlib import Path

from kinoloop.models.sequence import Sequence
from kinoloop.models.transformer.config import SequenceConfig
from kinoloop.testing.toy import toy_catalogue, toy_histories

SETTINGS = {
    "dim": 16,
    "layers": 1,
    "length": 8,
    "epochs": 3,
    "batch_positions": 8,  # many steps have one window: the other process has none
    "negatives": 16,
    "dropout": 0.0,
}


def curve() -> list[float]:
    found: list[float] = []
    Sequence(SequenceConfig(**SETTINGS), seed=5).fit(
        toy_histories(toy_catalogue()),
        toy_catalogue(),
        report=lambda name, value, step: found.append(value),
    )
    return found


if __name__ == "__main__":
    losses = curve()
    (Path(sys.argv[1]) / f"curve-{os.environ['RANK']}.json").write_text(json.dumps(losses))
