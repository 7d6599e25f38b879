"""Quality of every recommender on ingested data: full ranking, one process per candidate.

    python -m benchmarks.quality DATA_DIR [--split temporal] [--kinds item_knn sequence] [--seed 0]

Each candidate is fitted on the training part with the validation part for early stopping, then
fitted again on all that came before the test targets (with the epochs and the settings that
validation chose), and measured on the test part, seen videos excluded. Leave-one-out is for
comparing with papers; the temporal split is the honest one. Prints a table with the metrics, the
seconds of the two fits and of the evaluation, and the peak memory of the candidate's process;
`--curve` prints the metrics per epoch as well. `--limit` takes the first N test rows, for a quick
look.

Needs: a directory with the Delta tables of an ingest (DATA_DIR)
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SHOWN = ("hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr@10", "coverage@10")


def main() -> int:
    """Parse the arguments; measure one candidate, or start one process for each."""
    parser = argparse.ArgumentParser(description="Measure recommenders on ingested data.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--split", choices=("leave-one-out", "temporal"), default="leave-one-out")
    parser.add_argument("--days", type=float, default=7.0, help="of each temporal window")
    parser.add_argument("--kinds", nargs="*", help="candidates; default: all")
    parser.add_argument("--set", default="{}", help="settings that differ, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="rows of the test part")
    parser.add_argument("--plain", action="store_true", help="choose no settings on validation")
    parser.add_argument("--curve", action="store_true", help="print metrics per epoch")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measure(arguments)))
        return 0
    return _table(arguments)


def _table(arguments: argparse.Namespace) -> int:
    from kinoloop.models.base import RECOMMENDERS

    console, failed = Console(width=140), 0
    table = Table("kind", *SHOWN, "fit s", "refit s", "test s", "peak MB", "epoch")
    every = [kind for kind in RECOMMENDERS.names() if kind != "blend"]  # see benchmarks/blend.py
    for kind in arguments.kinds or every:
        command = [sys.executable, "-m", "benchmarks.quality", *sys.argv[1:], "--one"]
        if "--kinds" in command:
            first = command.index("--kinds")
            stop = first + 1 + len(arguments.kinds)
            del command[first:stop]
        done = subprocess.run([*command, "--kinds", kind], stdout=subprocess.PIPE, check=False)
        if done.returncode:
            failed += 1
            table.add_row(kind, f"failed ({done.returncode})")
            continue
        *curve, last = done.stdout.decode().splitlines()
        for line in curve:
            console.print(f"{kind} {line}", highlight=False)
        found = json.loads(last)
        values = [f"{found[name]:.4f}" for name in SHOWN]
        costs = [f"{found[name]:.1f}" for name in ("fit_s", "refit_s", "test_s")]
        table.add_row(kind, *values, *costs, f"{found['peak_mb']:.0f}", str(found["epoch"]))
        chosen = ", ".join(f"{name} {value:g}" for name, value in found["chosen"].items())
        console.print(f"{kind} chosen on validation: {chosen or 'nothing'}", highlight=False)
        for name, values_of in found["slices"].items():
            console.print(
                f"{kind} {name}: {values_of['rows']:.0f} rows, HR@10 {values_of['hr@10']:.4f}, "
                f"NDCG@10 {values_of['ndcg@10']:.4f}",
                highlight=False,
            )
    console.print(table)
    return 1 if failed else 0


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    from kinoloop.data.catalogue import load_catalogue
    from kinoloop.data.interactions import load_histories
    from kinoloop.data.interest import InterestConfig
    from kinoloop.data.tables import Tables
    from kinoloop.evaluation.evaluate import evaluate
    from kinoloop.evaluation.split import leave_one_out, temporal_split
    from kinoloop.models.base import build

    tables = Tables(arguments.data)
    catalogue = load_catalogue(tables)
    # Papers count every rating as an interaction.
    histories = load_histories(tables, catalogue.ids, InterestConfig(rating_liked_from=0))
    if arguments.split == "leave-one-out":
        split = leave_one_out(histories)
        known = split.test.histories
    else:
        split = temporal_split(histories, validation_days=arguments.days, test_days=arguments.days)
        known = histories.select(histories.timestamps < split.test.targets.timestamps.min())
    settings = {"kind": arguments.kinds[0], **json.loads(arguments.set)}

    def report(name: str, value: float, step: int) -> None:
        if arguments.curve:
            print(f"{name} {step} {value:.4f}", flush=True)

    times = [time.perf_counter()]
    model = build(settings, seed=arguments.seed)
    model.fit(split.train, catalogue, validation=split.validation, report=report)
    times.append(time.perf_counter())
    epoch, chosen = getattr(model, "best_epoch", 0), {} if arguments.plain else model.chosen
    settings |= chosen
    if epoch:
        settings["epochs"] = epoch
    model = build(settings, seed=arguments.seed).fit(known, catalogue)
    times.append(time.perf_counter())
    result = evaluate(model, split.test.rows(slice(arguments.limit)), train=known)
    times.append(time.perf_counter())
    fit_s, refit_s, test_s = (b - a for a, b in pairwise(times))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    costs = {"fit_s": fit_s, "refit_s": refit_s, "test_s": test_s, "peak_mb": peak_mb}
    found = {**result.metrics, **costs, "epoch": epoch, "slices": result.slices}
    return {**found, "chosen": chosen}


if __name__ == "__main__":
    sys.exit(main())
