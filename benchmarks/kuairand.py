"""KuaiRand: retrieval and ranking on a log with real impressions.

    python -m benchmarks.kuairand PATH [--seed 0] [--window test|validation] [--groups]

Histories up to 24 April 2022 and the log of 25–28 April are known; 29–30 April is the test window
(`--window validation` knows 25–26 April and measures 27–28 instead: settings are chosen there, so
that the test window is looked at once). Times are UTC+8, as in the log.

- Retrieval: full ranking over all videos, seen ones excluded; targets are clicked videos.
- Ranking: AUC of `is_click` and `long_view` over the impressions of the window; popularity,
  item-kNN and matrix factorisation rank by their scores, gradient-boosted trees and the ranker
  learn from the impressions of the known days, on the same features.

Differences come with 95 % intervals of a paired bootstrap over users. Only the basic video columns
are read: the statistics columns contain the future.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.exposures import Exposures, load_exposures
from kinoloop.data.histories import Histories
from kinoloop.data.importers.base import Landing
from kinoloop.data.importers.kuairand import import_kuairand
from kinoloop.data.interest import InterestConfig, load_histories
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import Difference, paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.evaluation.metrics.calibration import calibration_error
from kinoloop.evaluation.metrics.log_loss import log_loss
from kinoloop.evaluation.split import Holdout
from kinoloop.models.base import Recommender, build
from kinoloop.ranking.config import GROUPS, RankerConfig
from kinoloop.ranking.fitting import Fitted, Windows, fit_ranker
from kinoloop.ranking.pairs import Pairs
from kinoloop.ranking.rerank import Reranked, choose_blend
from kinoloop.ranking.training import Examples
from kinoloop.schema import EVENTS, VIDEOS

RETRIEVERS: tuple[dict[str, Any], ...] = (
    {"kind": "item_knn"},
    {"kind": "popularity"},
    {"kind": "biased_mf"},
    {"kind": "user_knn"},
    {"kind": "ease"},
    {"kind": "sequence", "epochs": 4},  # no early stopping; only where it is named
)
SCORERS = ("popularity", "item_knn", "biased_mf")
LABELS = ("is_click", "long_view")
CONSOLE = Console(width=150, highlight=False)
RESAMPLES = 200


def china(day: int) -> int:
    """Midnight in China at the start of an April day, µs."""
    midnight = datetime(2022, 4, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=-8)
    return round(midnight.timestamp() * 1e6)


WINDOWS = {
    "validation": (china(26), china(27), china(29)),
    "test": (china(28), china(29), china(31)),
}
"""Where early stopping and calibration begin, where the measured window begins and ends."""


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
    parser.add_argument("--only", choices=("retrieval", "ranking"), help="one half")
    arguments = parser.parse_args()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        catalogue, histories, exposures = load(arguments.path, Path(folder))
    CONSOLE.print(
        f"{len(catalogue)} videos, {len(histories)} users, {len(histories.videos)} interactions, "
        f"{int(exposures.shown.sum())} impressions; seed {arguments.seed}, {arguments.window}"
    )
    window = WINDOWS[arguments.window]
    if arguments.only != "ranking":
        quick = {str(settings["kind"]) for settings in RETRIEVERS} - {"sequence"}
        kinds = {"item_knn", *(arguments.kinds or quick)}
        retrieval(catalogue, histories, kinds, window=window, seed=arguments.seed)
    if arguments.only != "retrieval":
        labels = read_labels(arguments.path, exposures, catalogue)
        for name in LABELS:
            fitted = ranking(
                Windows(exposures, histories, window[0], window[1], labels[name]),
                catalogue, label=name, end=window[2], seed=arguments.seed, groups=arguments.groups,
            )  # fmt: skip
            if name == "is_click":
                reranking(fitted, histories, catalogue, window=window, seed=arguments.seed)
    CONSOLE.print(f"{time.process_time() - started:.0f} CPU seconds")
    return 0


def load(path: Path, folder: Path) -> tuple[Catalogue, Histories, Exposures]:
    """Import as the product does; duplicated rows go, user ids stay as they are."""
    landing = folder / "landing"
    import_kuairand(path, Landing(str(landing), "kuairand", path))
    tables = Tables(folder / "data")
    for kind, schema in (("videos", VIDEOS), ("events", EVENTS)):
        shards = [pl.read_parquet(file) for file in sorted((landing / kind).rglob("*.parquet"))]
        frame = pl.concat(shards, how="diagonal_relaxed").unique(maintain_order=True)
        if kind == "events":
            frame = frame.with_columns(date=pl.col("timestamp").dt.date())
        else:
            frame = frame.unique("video_id", keep="last", maintain_order=True).with_columns(
                pl.col("published_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us")
            )
        columns = [
            (pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c)
            for c, t in schema.items()
        ]
        frame.select(columns).write_delta(str(tables.path(kind)))
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig())
    return catalogue, histories, load_exposures(tables, catalogue.ids)


def read_labels(
    path: Path, exposures: Exposures, catalogue: Catalogue
) -> dict[str, NDArray[np.bool_]]:
    """`is_click` and `long_view` of each exposure; views of the histories count as both."""
    log = pl.concat(
        [pl.read_parquet(file, columns=["user_id", "video_id", "time_ms", *LABELS])
         for file in sorted(path.glob("val_*.parquet"))]
    )  # fmt: skip
    rows = pl.DataFrame(
        {
            "user_id": np.array(exposures.user_ids)[exposures.users],
            "video_id": np.array(catalogue.ids.ids)[exposures.videos],
            "day": exposures.timestamps // 86_400_000_000,
        }
    )
    flags = (
        log.with_columns(
            pl.col("user_id", "video_id").cast(pl.String),
            day=pl.col("time_ms").cast(pl.Int64) // 86_400_000,
        )
        .group_by("user_id", "video_id", "day")
        .agg(pl.col(*LABELS).max())
    )
    joined = rows.join(flags, on=["user_id", "video_id", "day"], how="left", maintain_order="left")
    return {name: joined[name].fill_null(1).to_numpy() > 0 for name in LABELS}


def retrieval(
    catalogue: Catalogue,
    histories: Histories,
    kinds: set[str],
    *,
    window: tuple[int, int, int],
    seed: int,
) -> None:
    """Full ranking of all videos: what each user watched with interest for the first time."""
    holdout, train = window_of(histories, window[1], window[2])
    table = Table(
        "retrieval", "NDCG@10", "against item-kNN", "Recall@50", "HR@10", "AUC", "coverage@10",
        "fit CPU s", title=f"{len(holdout)} users",
    )  # fmt: skip
    reference: NDArray[np.float64] | None = None
    for settings in (r for r in RETRIEVERS if r["kind"] in kinds):
        started = time.process_time()
        model = build(dict(settings), seed=seed).fit(train, catalogue)
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
    windows: Windows, catalogue: Catalogue, *, label: str, end: int, seed: int, groups: bool
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


def window_of(histories: Histories, start: int, end: int) -> tuple[Holdout, Histories]:
    """What users watched with interest for the first time in a span, and what was known before."""
    known = histories.select(histories.timestamps < start)
    inside = (histories.timestamps >= start) & (histories.timestamps < end)
    targets = histories.select(inside & (histories.weights > 0))
    rows = np.flatnonzero(targets.lengths > 0)
    train = known.rows(np.flatnonzero(known.lengths > 0))
    return Holdout(known.rows(rows), targets.rows(rows)), train


def score_pairs(model: Recommender, pairs: Pairs) -> NDArray[np.float32]:
    """A recommender's score of each pair, from the history before the impression."""
    found = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), 1000):
        part = slice(start, start + 1000)
        found[part] = model.score(as_histories(pairs.select(part)))[
            np.arange(len(pairs.videos[part])), pairs.videos[part]
        ]
    return found


def as_histories(pairs: Pairs) -> Histories:
    """Contexts as histories, oldest first."""
    history, interest = pairs.history[pairs.contexts], pairs.interest[pairs.contexts]
    kept = interest[:, ::-1] != 0
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    n = int(offsets[-1])
    return Histories(
        offsets=offsets.astype(np.int64), videos=history[:, ::-1][kept],
        weights=interest[:, ::-1][kept], timestamps=np.zeros(n, dtype=np.int64),
        kinds=np.ones(n, dtype=np.uint8), watch_shares=np.full(n, np.nan, dtype=np.float32),
    )  # fmt: skip


def boosted(train: Examples, test: Examples, seed: int) -> tuple[NDArray[np.float64], float]:
    """Gradient-boosted trees on the ranker's numeric features: probabilities and CPU seconds."""
    started = time.process_time()
    trees = HistGradientBoostingClassifier(  # the best of five settings on the validation window
        max_iter=600,
        learning_rate=0.05,
        max_leaf_nodes=8,
        l2_regularization=10,
        min_samples_leaf=200,
        early_stopping=True,
        validation_fraction=0.15,
        random_state=seed,
    )
    trees.fit(train.features, train.labels)
    return trees.predict_proba(test.features)[:, 1], time.process_time() - started


def auc_interval(
    labels: NDArray[np.bool_],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    users: NDArray[np.integer],
    seed: int,
) -> str:
    """AUC of a − b, with a 95 % interval from drawing users with replacement."""
    rng, (_, of_row) = np.random.default_rng(seed), np.unique(users, return_inverse=True)
    n_users = int(of_row.max()) + 1
    first, second = _WeightedAuc(labels, a), _WeightedAuc(labels, b)
    drawn = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, n_users, n_users), minlength=n_users)[of_row]
        drawn.append(first(times) - second(times))
    once = np.ones(len(labels))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{first(once) - second(once):+.4f} [{low:+.4f}, {high:+.4f}]"


class _WeightedAuc:
    """AUC of fixed scores under changing weights of the rows; a tie counts half."""

    def __init__(self, labels: NDArray[np.bool_], scores: NDArray[Any]) -> None:
        _, self._tie = np.unique(scores, return_inverse=True)
        self._labels = labels

    def __call__(self, weights: NDArray[Any]) -> float:
        ones = np.bincount(self._tie, weights=weights * self._labels)
        zeros = np.bincount(self._tie, weights=weights * ~self._labels)
        below = np.cumsum(zeros) - zeros
        return float((ones * (below + zeros / 2)).sum() / (ones.sum() * zeros.sum()))


def _interval(difference: Difference) -> str:
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


if __name__ == "__main__":
    sys.exit(main())
