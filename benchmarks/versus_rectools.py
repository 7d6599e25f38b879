"""The sequence recommender against SASRec of RecTools: same split, same epochs, paired interval.

    benchmarks/peers/make_env.sh PEER_ENV
    python -m benchmarks.versus_rectools DATA_DIR FOLDER --peer PEER_ENV/bin/python [--epochs 10]

Leave-one-out: all learn from everything but the last video of each user, for the same number of
epochs, and rank all videos that the user has not met. Ours is fitted with all modalities and with
ids only. FOLDER keeps what RecTools answered; a second run without `--peer` reads it again.

Needs: DATA_DIR, and an environment with RecTools (benchmarks/peers/make_env.sh)
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import Split, leave_one_out
from kinoloop.models.base import build

PEER = Path(__file__).parent / "peers" / "rectools_sasrec.py"


def main() -> None:
    """Fit all three, print the table and the intervals."""
    parser = argparse.ArgumentParser(description="Against SASRec of RecTools.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("folder", type=Path, help="where the answers of RecTools are kept")
    parser.add_argument("--peer", type=Path, help="python of the environment with RecTools")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--set", default="{}", help="settings of ours that differ, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tables = Tables(arguments.data)
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig(rating_liked_from=0))
    split = leave_one_out(histories)
    if arguments.peer:
        _run_peer(split, arguments)
    best = np.load(arguments.folder / "rectools.npz")["best"]
    ndcg = {"RecTools SASRec": _ndcg(best, split.test.targets.videos)}
    bare = Catalogue(catalogue.ids, catalogue.published_at, catalogue.videos)
    settings = {
        "kind": "sequence",
        "epochs": arguments.epochs,
        "length": arguments.length,
        **json.loads(arguments.set),
    }
    ids_only = {**settings, "words": 0, "match_weight": 0.0}
    for name, videos, chosen in (
        ("ids only", bare, ids_only),
        ("all modalities", catalogue, settings),
    ):
        started = time.process_time()
        model = build(chosen, seed=arguments.seed).fit(split.test.histories, videos)
        print(f"{name}: fitted in {time.process_time() - started:.0f} CPU s", flush=True)
        rows = evaluate(model, split.test).per_user
        ndcg[name] = rows["ndcg@10"].to_numpy()
    for name, values in ndcg.items():
        print(f"{name}: HR@10 {(values > 0).mean():.4f}, NDCG@10 {values.mean():.4f}")
    for first, second in (
        ("all modalities", "RecTools SASRec"),
        ("ids only", "RecTools SASRec"),
        ("all modalities", "ids only"),
    ):
        gain = paired(ndcg[first], ndcg[second], seed=arguments.seed)
        print(
            f"{first} − {second}: {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], "
            f"{gain.mean / ndcg[second].mean():+.1%}"
        )


def _run_peer(split: Split, arguments: argparse.Namespace) -> None:
    arguments.folder.mkdir(parents=True, exist_ok=True)
    known = split.test.histories
    np.savez(arguments.folder / "histories.npz", offsets=known.offsets, videos=known.videos)
    options = ["--epochs", str(arguments.epochs), "--length", str(arguments.length)]
    options += ["--seed", str(arguments.seed)]
    subprocess.run([str(arguments.peer), str(PEER), str(arguments.folder), *options], check=True)


def _ndcg(best: NDArray[np.int64], targets: NDArray[np.int32]) -> NDArray[np.float64]:
    """NDCG@10 of each row, one target per row."""
    hits = best[:, :10] == targets[:, None]
    return np.where(hits.any(axis=1), 1 / np.log2(2 + hits.argmax(axis=1)), 0.0)


if __name__ == "__main__":
    main()
