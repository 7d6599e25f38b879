"""What searches and comments bring to the ranker: with and without them, on validation and test.

    python -m benchmarks.written DATA_DIR [--kind sequence] [--seeds 0] [--no-test]

Fits the retrieval once and the ranker twice per seed, with all groups of features and without
`written`, and prints AUC and log loss with the paired 95 % interval of the difference in log loss,
for all exposures and for those within an hour after a search; and NDCG@10 of the slates of the
validation and the test window; in the end the means over all seeds, paired by exposure and by user.
`--no-test` looks at nothing but validation.

Needs: a directory with the Delta tables of an ingest, and text vectors by MiniLM (DATA_DIR)
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import load_exposures
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.models.base import Recommender
from kinoloop.ranking.config import GROUPS, RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import Fitted, fit_ranker
from kinoloop.ranking.rerank import Reranked, choose_blend
from kinoloop.schema import EVENT_KINDS
from kinoloop.training.model_selection import (
    RetrainConfig,
    TrainingData,
    build_candidate,
    load_training_data,
)
from kinoloop.training.ranker import moments_of

METRIC = "ndcg@10"
HOUR_US = 3_600_000_000
SEARCH = EVENT_KINDS.index("search")


class Window(NamedTuple):
    """One window of one ranker.

    Attributes:
        labels: (n,) of the exposures.
        p: (n,) what was predicted.
        slates: (n_users,) NDCG@10.
        after_search: (n,) whether the user had searched within the hour before.
    """

    labels: NDArray[np.bool_]
    p: NDArray[np.float64]
    slates: NDArray[np.float64]
    after_search: NDArray[np.bool_]


def main() -> None:
    """Measure every seed."""
    parser = argparse.ArgumentParser(description="What searches and comments bring the ranker.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--kind", default="sequence", help="retrieval")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--no-test", action="store_true", help="look at validation only")
    given = parser.parse_args()
    tables = Tables(given.data)
    data = load_training_data(tables, RetrainConfig(), InterestConfig(), written=True)
    exposures = load_exposures(tables, data.catalogue.ids)
    begins = moments_of(data.split, exposures)
    known = RankerData(exposures, data.histories, *begins)
    every: dict[str, list[tuple[Window, Window]]] = {}
    for seed in given.seeds:
        retrieval = build_candidate({"kind": given.kind}, seed=seed)
        retrieval.fit(data.split.train, data.catalogue, validation=data.split.validation)
        sides = []
        for groups in (GROUPS, tuple(group for group in GROUPS if group != "written")):
            fitted = fit_ranker(RankerConfig(groups=groups), known, data.catalogue, seed=seed)
            sides.append(measure(fitted, retrieval, data, test=not given.no_test))
        for name, new in sides[0].items():
            every.setdefault(name, []).append((new, sides[1][name]))
            tell(f"seed {seed}, {name}", every[name][-1:])
    for name, pairs in every.items():
        tell(f"{len(given.seeds)} seeds, {name}", pairs)


def measure(
    fitted: Fitted, retrieval: Recommender, data: TrainingData, *, test: bool
) -> dict[str, Window]:
    """Measure one ranker on its windows."""
    ranker, _ = choose_blend(fitted.ranker, retrieval, data.split.validation)
    print(f"blend {ranker.blend:g}", flush=True)
    split, found = data.split, {}
    windows = {"validation": (split.validation, fitted.validation)}
    if test:
        windows["test"] = (split.test, fitted.test)
    for name, (holdout, examples) in windows.items():
        p = np.clip(ranker.probabilities(examples.pairs), 1e-9, 1 - 1e-9)
        moment = int(holdout.targets.timestamps.min())
        slates = evaluate(Reranked(retrieval, ranker, moment=moment), holdout)
        wrote, contexts = examples.pairs.wrote, examples.pairs.contexts
        searched = (wrote.texts >= 0) & (wrote.kinds == SEARCH) & (wrote.ages < HOUR_US)
        found[name] = Window(
            examples.labels, p, slates.per_user[METRIC].to_numpy(), searched.any(axis=1)[contexts]
        )
    return found


def tell(name: str, pairs: list[tuple[Window, Window]]) -> None:
    """Print one window: with and without, of one seed or the means of several."""
    labels, searched = pairs[0][0].labels, pairs[0][0].after_search
    for part, rows in (("all", np.ones(len(labels), dtype=bool)), ("after a search", searched)):
        losses, aucs = [], []
        for side in zip(*pairs, strict=True):
            of_seed = [-np.log(np.where(labels, w.p, 1 - w.p))[rows] for w in side]
            losses.append(np.mean(of_seed, axis=0))
            aucs.append(np.mean([roc_auc(labels[rows], w.p[rows]) for w in side]))
        gain = paired(losses[1], losses[0], seed=0)
        print(
            f"{name}, {part}: {rows.sum()} exposures, AUC {aucs[1]:.4f} -> {aucs[0]:.4f}, log "
            f"loss {losses[1].mean():.4f}, less by {gain.mean:+.5f} [{gain.low:+.5f}, "
            f"{gain.high:+.5f}]",
            flush=True,
        )
    new, old = (np.mean([w.slates for w in side], axis=0) for side in zip(*pairs, strict=True))
    gain = paired(new, old, seed=0)
    print(
        f"{name}, slates of {gain.n} users: {METRIC} {old.mean():.4f} -> {new.mean():.4f}, "
        f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
        flush=True,
    )


if __name__ == "__main__":
    main()
