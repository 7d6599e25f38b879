"""KuaiRand: retrieval and ranking on a log with real impressions.

    python -m benchmarks.kuairand PATH [--seed 0] [--window test|validation] [--groups]

Histories up to 24 April 2022 and the log of 25–28 April are known; 29–30 April is the test window
(`--window validation` knows 25–26 April and measures 27–28 instead: settings are chosen there, so
that the test window is looked at once). Times are UTC+8, as in the log.

- Retrieval: full ranking over all videos, seen ones excluded; targets are clicked videos. What a
  retriever (but sequence) leaves open is chosen on the days before the window; not by `--plain`.
- Ranking: AUC of `is_click` and `long_view` over the impressions of the window; popularity,
  item-kNN and matrix factorisation rank by their scores, gradient-boosted trees and the ranker
  learn from the impressions of the known days, on the same features.

Differences come with 95 % intervals of a paired bootstrap over users. Only the basic video columns
are read: the statistics columns contain the future.

Needs: the folder of KuaiRand (PATH)
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.harness.impressions import auc_interval, boosted, score_pairs
from benchmarks.harness.kuairand_data import (
    LABELS,
    WINDOWS,
    load,
    read_labels,
    weighed_by_quantile,
    window_of,
)
from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.evaluation.compare import Difference, paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.evaluation.metrics.calibration import calibration_error
from kinoloop.evaluation.metrics.log_loss import log_loss
from kinoloop.models.base import build
from kinoloop.ranking.config import GROUPS, RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import Fitted, fit_ranker
from kinoloop.ranking.rerank import Reranked, choose_blend

RETRIEVERS: tuple[dict[str, Any], ...] = (
    {"kind": "item_knn"},
    {"kind": "popularity"},
    {"kind": "biased_mf"},
    {"kind": "user_knn"},
    {"kind": "ease"},
    {"kind": "sequence"},  # `--epochs`, no early stopping; only where it is named
)
SCORERS = ("popularity", "item_knn", "biased_mf")
CONSOLE = Console(width=150, highlight=False)


def main() -> int:
    """Parse the arguments, load, measure, print."""
    parser = argparse.ArgumentParser(description="Measure retrieval and ranking on KuaiRand.")
    parser.add_argument("path", type=Path, help="the folder of the data set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", choices=tuple(WINDOWS), default="test")
    parser.add_argument("--groups", action="store_true", help="leave out each feature group")
    parser.add_argument(
        "--kinds", nargs="*", help="retrievers beside item_knn; default: all but sequence"
    )
    parser.add_argument("--epochs", type=int, default=10, help="of the sequence recommender")
    parser.add_argument(
        "--watch", choices=("share", "quantile"), default="share", help="what weighs a view"
    )
    parser.add_argument("--plain", action="store_true", help="retrievers keep their defaults")
    parser.add_argument("--only", choices=("retrieval", "ranking"), help="one half")
    arguments = parser.parse_args()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        catalogue, histories, exposures = load(arguments.path, Path(folder))
    if arguments.watch == "quantile":
        histories = weighed_by_quantile(histories, catalogue)
    CONSOLE.print(
        f"{len(catalogue)} videos, {len(histories)} users, {len(histories.videos)} interactions, "
        f"{int(exposures.shown.sum())} impressions; seed {arguments.seed}, {arguments.window}"
    )
    window = WINDOWS[arguments.window]
    if arguments.only != "ranking":
        quick = {str(settings["kind"]) for settings in RETRIEVERS} - {"sequence"}
        kinds = {"item_knn", *(arguments.kinds or quick)}
        retrievers = [
            {**settings, "epochs": arguments.epochs} if settings["kind"] == "sequence" else settings
            for settings in RETRIEVERS
            if settings["kind"] in kinds
        ]
        retrieval(
            catalogue, histories, retrievers, window=window, seed=arguments.seed,
            plain=arguments.plain,
        )  # fmt: skip
    if arguments.only != "retrieval":
        labels = read_labels(arguments.path, exposures, catalogue)
        for name in LABELS:
            fitted = ranking(
                RankerData(exposures, histories, window[0], window[1], labels[name]),
                catalogue, label=name, end=window[2], seed=arguments.seed, groups=arguments.groups,
            )  # fmt: skip
            if name == "is_click":
                reranking(fitted, histories, catalogue, window=window, seed=arguments.seed)
    CONSOLE.print(f"{time.process_time() - started:.0f} CPU seconds")
    return 0


def retrieval(
    catalogue: Catalogue,
    histories: Histories,
    retrievers: list[dict[str, Any]],
    *,
    window: tuple[int, int, int],
    seed: int,
    plain: bool,
) -> None:
    """Full ranking of all videos: what each user watched with interest for the first time."""
    holdout, train = window_of(histories, window[1], window[2])
    before, earlier = window_of(histories, window[0], window[1])
    table = Table(
        "retrieval", "NDCG@10", "against item-kNN", "Recall@50", "HR@10", "AUC", "coverage@10",
        "fit CPU s", title=f"{len(holdout)} users",
    )  # fmt: skip
    reference: NDArray[np.float64] | None = None
    for settings in retrievers:
        started, chosen = time.process_time(), {}
        if not plain and settings["kind"] != "sequence":  # two trainings of it take too long
            first = build(dict(settings), seed=seed).fit(earlier, catalogue, validation=before)
            chosen = first.chosen
            told = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
            CONSOLE.print(f"{settings['kind']} chosen on the days before: {told}")
        model = build({**settings, **chosen}, seed=seed).fit(train, catalogue)
        seconds = time.process_time() - started
        found = evaluate(model, holdout, train=train, ks=(10, 50))
        per_user = found.per_user["ndcg@10"].to_numpy()
        if settings["kind"] == "item_knn":
            reference = per_user
        shown = [f"{found.metrics[m]:.4f}" for m in ("recall@50", "hr@10", "auc", "coverage@10")]
        table.add_row(
            str(settings["kind"]), f"{found.metrics['ndcg@10']:.4f}",
            "" if reference is None else _interval(paired(per_user, reference, seed=seed)),
            *shown, f"{seconds:.1f}",
        )  # fmt: skip
        for name, part in found.slices.items():
            CONSOLE.print(
                f"{settings['kind']} {name}: {part['rows']:.0f} rows, "
                f"NDCG@10 {part['ndcg@10']:.4f}, Recall@50 {part['recall@50']:.4f}"
            )
    CONSOLE.print(table)


def ranking(
    windows: RankerData, catalogue: Catalogue, *, label: str, end: int, seed: int, groups: bool
) -> Fitted:
    """AUC, log loss and calibration over the impressions of the window."""
    inside = windows.exposures.timestamps < end
    assert windows.labels is not None
    windows = replace(
        windows, exposures=windows.exposures.select(inside), labels=windows.labels[inside]
    )
    config = RankerConfig(warm_share=0.0)
    started = time.process_time()
    fitted = fit_ranker(config, windows, catalogue, seed=seed)
    seconds = time.process_time() - started
    users = fitted.test.pairs.users
    happened = fitted.test.labels
    scored: dict[str, tuple[NDArray[Any], float]] = {}
    train = windows.histories.select(windows.histories.timestamps < windows.test_from)
    for kind in SCORERS:
        started = time.process_time()
        model = build({"kind": kind}, seed=seed).fit(train, catalogue)
        scores = score_pairs(model, fitted.test.pairs)
        scored[kind] = (scores, time.process_time() - started)
    scored["trees"] = boosted(fitted.train, fitted.test, seed)
    scored["ranker"] = (fitted.probabilities, seconds)
    table = Table(
        f"ranking, {label}", "AUC", "against trees", "log loss", "ECE", "CPU s",
        title=f"{len(happened)} impressions, {happened.mean():.1%} {label}",
    )  # fmt: skip
    trees = scored["trees"][0]
    for name, (scores, cost) in scored.items():
        inside_unit = name in {"trees", "ranker"}
        table.add_row(
            name, f"{roc_auc(happened, scores):.4f}",
            auc_interval(happened, scores, trees, users=users, seed=seed),
            f"{log_loss(happened, scores):.4f}" if inside_unit else "",
            f"{calibration_error(happened, scores):.4f}" if inside_unit else "", f"{cost:.1f}",
        )  # fmt: skip
    for group in GROUPS if groups else ():
        rest = tuple(g for g in GROUPS if g != group)
        less = fit_ranker(config.model_copy(update={"groups": rest}), windows, catalogue, seed=seed)
        table.add_row(
            f"ranker without {group}", f"{roc_auc(happened, less.probabilities):.4f}",
            "ranker − this: " + auc_interval(
                happened, fitted.probabilities, less.probabilities, users=users, seed=seed
            ),
            f"{log_loss(happened, less.probabilities):.4f}",
            f"{calibration_error(happened, less.probabilities):.4f}", "",
        )  # fmt: skip
    CONSOLE.print(table)
    return fitted


def reranking(
    fitted: Fitted,
    histories: Histories,
    catalogue: Catalogue,
    *,
    window: tuple[int, int, int],
    seed: int,
) -> None:
    """NDCG@10 of item-kNN's slates in the ranker's order; the blend comes from the days before."""
    before, _ = window_of(histories, window[0], window[1])
    known = histories.select(histories.timestamps < window[0])
    model = build({"kind": "item_knn"}, seed=seed).fit(known, catalogue)
    ranker, found = choose_blend(fitted.ranker, model, before)
    holdout, train = window_of(histories, window[1], window[2])
    model = build({"kind": "item_knn"}, seed=seed).fit(train, catalogue)
    plain = evaluate(model, holdout).per_user["ndcg@10"]
    scorer = Reranked(model, ranker, moment=window[1])
    ordered = evaluate(scorer, holdout).per_user["ndcg@10"]
    CONSOLE.print(
        f"item_knn re-ranked: blend {ranker.blend} (by blend: {found}), "
        f"NDCG@10 {ordered.mean():.4f} against {plain.mean():.4f}: "
        f"{_interval(paired(ordered, plain, seed=seed))}"
    )


def _interval(difference: Difference) -> str:
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


if __name__ == "__main__":
    sys.exit(main())
