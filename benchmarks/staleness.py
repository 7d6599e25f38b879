"""How a champion ages: quality on week w of one that was trained k weeks before it.

    python -m benchmarks.staleness                            # the sample, `dvc pull` brings it
    python -m benchmarks.staleness --tables data              # the project's tables
    python -m benchmarks.staleness --kuairand PATH --days 4

Each window is measured with models that learned from everything up to k windows before its start.
Histories are fresh in all cases, as in service: only the parameters are old. NDCG@10 over all
videos, at most `--users` users per window, evenly spaced; differences to k = 0 are paired over the
users of all windows, with 95 % intervals of a bootstrap.

Needs: the sample (`dvc pull`), the project's tables, or the folder of KuaiRand (PATH)
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.harness.kuairand_data import load, window_of
from benchmarks.harness.sample_tables import ingested
from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.sampling import evenly_spaced
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.models.base import build
from kinoloop.schema import DAY_US

METRIC = "ndcg@10"
MIN_EVENTS = 100  # a model of fewer events is none


def measured(
    data: tuple[Catalogue, Histories], kind: str, *, start: int, cut: int, end: int, users: int,
    seed: int,
) -> NDArray[np.float64] | None:  # fmt: skip
    """NDCG@10 per user of a window, by a model that learned up to `cut`; None where it cannot."""
    catalogue, histories = data
    learned = histories.select(histories.timestamps < cut)
    if len(learned.videos) < MIN_EVENTS:
        return None
    holdout, _ = window_of(histories, start, end)
    holdout = holdout.rows(evenly_spaced(len(holdout), users))
    with threadpool_limits(limits=1):
        model = build({"kind": kind}, seed=seed).fit(learned, catalogue)
        found = evaluate(model, holdout, metrics=("ndcg",), ks=(10,))
    return found.per_user[METRIC].to_numpy()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=Path, default=Path("data/sample"))
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--kuairand", type=Path)
    parser.add_argument("--days", type=float, default=7.0, help="length of a window")
    parser.add_argument("--windows", type=int, default=2, help="newest windows that are measured")
    parser.add_argument("--ages", type=int, default=3, help="oldest model, in windows")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--kinds", nargs="+", default=["item_knn", "popularity"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.kuairand is not None:
            catalogue, histories, _ = load(arguments.kuairand, Path(folder))
        else:
            given = arguments.tables
            tables = Tables(given) if given else ingested(arguments.sample, Path(folder))
            catalogue = load_catalogue(tables)
            histories = load_histories(tables, catalogue.ids, InterestConfig())
    length, newest = round(arguments.days * DAY_US), int(histories.timestamps.max()) + 1
    head = ("model", "trained before, windows", METRIC, "difference to 0", "interval", "users")
    table = Table(*head)
    for kind in arguments.kinds:
        ages: dict[int, list[NDArray[np.float64] | None]] = {}
        for age in range(arguments.ages + 1):
            starts = [newest - (w + 1) * length for w in range(arguments.windows)]
            ages[age] = [
                measured(
                    (catalogue, histories),
                    kind,
                    start=start,
                    cut=start - age * length,
                    end=start + length,
                    users=arguments.users,
                    seed=arguments.seed,
                )
                for start in starts
            ]
        for age, windows in ages.items():
            both = [
                (mine, fresh)
                for mine, fresh in zip(windows, ages[0], strict=True)
                if mine is not None and fresh is not None
            ]
            if not both:
                continue
            mine, fresh = (np.concatenate(side) for side in zip(*both, strict=True))
            change = paired(mine, fresh, seed=arguments.seed)
            table.add_row(
                kind,
                str(age),
                f"{mine.mean():.4f}",
                f"{change.mean:+.4f}",
                f"[{change.low:+.4f}, {change.high:+.4f}]",
                str(len(mine)),
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
