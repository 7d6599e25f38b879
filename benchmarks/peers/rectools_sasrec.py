"""SASRec of RecTools on a split that `benchmarks.versus_rectools` wrote; runs in its environment.

    PYTHON benchmarks/peers/rectools_sasrec.py FOLDER [--epochs 10] [--no-recommend]

Reads `histories.npz` (offsets, videos), writes `rectools.npz` (the 20 best videos per row,
without seen ones) and `rectools.json` (CPU seconds of each epoch). Knows nothing of Kinoloop.
"""

import argparse
import json
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

TOP = 20


class Clock(Callback):
    """CPU seconds of each training epoch."""

    seconds: ClassVar[list[float]] = []  # of the class: RecTools trains with a copy of the callback
    _start = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock of an epoch."""
        self._start = time.process_time()

    def on_train_epoch_end(self, *_: object) -> None:
        """Note and print the CPU seconds of an epoch."""
        self.seconds.append(time.process_time() - self._start)
        print(f"epoch {len(self.seconds)}: {self.seconds[-1]:.1f} CPU s", flush=True)


def main() -> None:
    """Fit, and recommend to all."""
    parser = argparse.ArgumentParser(description="RecTools' SASRec on a given split.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--batch", type=int, default=128, help="rows per step")
    parser.add_argument("--negatives", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-recommend", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seed_everything(arguments.seed)
    split = np.load(arguments.folder / "histories.npz")
    lengths = np.diff(split["offsets"])
    rows = np.repeat(np.arange(len(lengths)), lengths)
    events = pd.DataFrame({"user_id": rows, "item_id": split["videos"], "weight": 1.0})
    events["datetime"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(rows)), "s")
    dataset = Dataset.construct(events)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=arguments.epochs,
            min_epochs=arguments.epochs,
            accelerator="cpu",
            devices=1,
            deterministic=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
            callbacks=[Clock()],
        )

    model = SASRecModel(
        n_blocks=arguments.layers,
        n_heads=arguments.heads,
        n_factors=arguments.dim,
        dropout_rate=0.2,
        session_max_len=arguments.length,
        loss="sampled_softmax",
        n_negatives=arguments.negatives,
        lr=0.001,
        batch_size=arguments.batch,
        epochs=arguments.epochs,
        get_trainer_func=trainer,
    )
    model.fit(dataset)
    record = {"epoch_cpu_s": Clock.seconds, "positions": int(np.maximum(lengths - 1, 0).sum())}
    (arguments.folder / "rectools.json").write_text(json.dumps(record))
    if arguments.no_recommend:
        return
    users = np.arange(len(lengths))
    found = model.recommend(
        users, dataset, k=TOP, filter_viewed=True, on_unsupported_targets="ignore"
    )
    best = np.full((len(users), TOP), -1, dtype=np.int64)
    best[found["user_id"].to_numpy(), found["rank"].to_numpy() - 1] = found["item_id"].to_numpy()
    np.savez(arguments.folder / "rectools.npz", best=best)


if __name__ == "__main__":
    main()
