"""Training speed of the sequence recommender against SASRec of RecTools, in one run.

    benchmarks/peers/make_env.sh PEER_ENV
    python -m benchmarks.train_speed DATA_DIR PEER_ENV/bin/python [--users 10000]

Same rows, width, depth, heads, length and rows per step; one thread each; CPU seconds of each one's
fastest epoch, one after the other on the same machine. A position is an event with a next one:
padding does not count. Ours is measured with ids only, as SASRec is, and with all modalities.

Needs: DATA_DIR, and an environment with RecTools (benchmarks/peers/make_env.sh)
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.models.base import build
from kinoloop.models.transformer import fitting

PEER = Path(__file__).parent / "peers" / "rectools_sasrec.py"


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description="Training positions per CPU second.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("peer", type=Path, help="python of the environment with RecTools")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128, help="rows per step")
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--negatives", type=int, default=1024, help="ours, shared by a step")
    parser.add_argument("--peer-negatives", type=int, default=128, help="theirs, a position")
    arguments = parser.parse_args()
    tables = Tables(arguments.data)
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig(rating_liked_from=0))
    histories = histories.rows(slice(arguments.users))
    positions = int(np.maximum(histories.lengths - 1, 0).sum())
    theirs = positions / _theirs(histories, arguments)
    bare = Catalogue(catalogue.ids, catalogue.published_at, catalogue.videos)
    print(f"{positions} positions per epoch, {len(catalogue)} videos")
    print(f"RecTools SASRec: {theirs:,.0f} positions per CPU second")
    for name, videos, words in (("ids only", bare, 0), ("all modalities", catalogue, 50_000)):
        ours = positions / _ours(histories, videos, words, arguments)
        print(f"Kinoloop, {name}: {ours:,.0f} positions per CPU second, {ours / theirs:.2f} times")


def _theirs(histories: Histories, arguments: argparse.Namespace) -> float:
    """CPU seconds of their fastest epoch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "histories.npz", offsets=histories.offsets, videos=histories.videos)
        options = {
            "--epochs": arguments.epochs,
            "--batch": arguments.batch,
            "--length": arguments.length,
            "--negatives": arguments.peer_negatives,
        }
        flags = [str(part) for option in options.items() for part in option]
        command = [str(arguments.peer), str(PEER), name, "--no-recommend", *flags]
        subprocess.run(command, check=True, capture_output=True)
        return float(min(json.loads((folder / "rectools.json").read_text())["epoch_cpu_s"]))


def _ours(
    histories: Histories, catalogue: Catalogue, words: int, arguments: argparse.Namespace
) -> float:
    """CPU seconds of our fastest epoch."""
    pairs = np.maximum(histories.lengths - 1, 0)
    settings = {
        "kind": "sequence",
        "dim": 64,
        "layers": 2,
        "heads": 2,
        "length": arguments.length,
        "epochs": arguments.epochs + 1,  # the first one pays for imports
        "negatives": arguments.negatives,
        "words": words,
        "batch_positions": int(arguments.batch * pairs[pairs > 0].mean()),
    }
    fitting.STEPS_PER_EPOCH = 1  # as many rows per step as theirs, however few users
    moments = [time.process_time()]

    def report(name: str, value: float, step: int) -> None:  # noqa: ARG001 (a Report; only when it comes counts)
        moments.append(time.process_time())

    build(settings, seed=0).fit(histories, catalogue, report=report)
    return float(np.diff(moments)[1:].min())


if __name__ == "__main__":
    main()
