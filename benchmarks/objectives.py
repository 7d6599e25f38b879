"""A ranker that orders by value: how well it predicts each outcome, and what its slates bring.

    python -m benchmarks.objectives [--seeds 0 1 2] [--kind item_knn] [--no-test]
    python -m benchmarks.objectives --kuairand PATH       # the impressions of KuaiRand instead

The sample without its media. The ranker is fitted twice per seed: for the label alone, and for the
label with every outcome that happens often enough. Printed are AUC and ECE of the label and of each
outcome; and for slates of the best hundred ordered by retrieval, by label and by value (published
weights, and weights that count likes against dislikes, `mild`): NDCG@10, and what a slate of ten
brings in truth, per user: the chance of each outcome follows from the simulator's affinity, with
every place looked at. `--no-test` looks at the validation window alone. Of KuaiRand, whose truth
nobody knows, AUC and ECE of the last two days, and NDCG@10 of item-kNN's best hundred.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.harness.kuairand_data import WINDOWS, load, window_of
from benchmarks.policy import sample
from kinoloop.data.exposures import load_exposures
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.models.top_k import best_columns
from kinoloop.ranking.config import RankerConfig, ValueConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.rerank import Reranked, choose_blend
from kinoloop.sample.behaviour import SKIP_BELOW, simulate
from kinoloop.sample.world import World, build_world
from kinoloop.schema import EVENTS
from kinoloop.training.ranker import moments_of

TOP_K, VALIDATION_DAYS, TEST_DAYS = 10, 3.0, 4.0
WEIGHTS: dict[str, dict[str, Any]] = {
    "published": {},
    "mild": {"watch": 0.2, "like": 1, "save": 1, "share": 1, "comment": 1, "dislike": -2},
}
DRAWS = 20_000  # of a watch, per affinity


def events_of(world: World, folder: Path) -> Tables:
    """Write what the simulator saw as the table that ingest would leave."""
    events = simulate(world).with_columns(date=pl.col("timestamp").dt.date())
    missing = [pl.lit(None, kind).alias(n) for n, kind in EVENTS.items() if n not in events.columns]
    events.with_columns(missing).select(list(EVENTS)).write_delta(str(folder / "events"))
    return Tables(folder)


def truths(weights: dict[str, float], grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Value of showing a video that is looked at, by affinity, as `sample.behaviour` draws it."""
    found = []
    for affinity in grid:
        mean = 0.06 + 0.88 * affinity
        share = rng.beta(5 * mean, 5 * (1 - mean), DRAWS)
        stays = share >= SKIP_BELOW
        per = {
            "watch": (share >= 0.5) & stays, "like": 0.4 * share * stays,
            "comment": 0.08 * share * stays, "share": 0.04 * share * stays,
            "save": 0.05 * share * stays, "skip": ~stays, "dislike": 0.1 * ~stays,
        }  # fmt: skip
        once = sum(
            weights[name] * float(chance.astype(float).mean()) for name, chance in per.items()
        )
        found.append((0.08 + 0.92 * affinity) * once)
    return np.array(found)


def main() -> None:
    """Measure every seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--kind", default="item_knn", help="retrieval")
    parser.add_argument("--no-test", action="store_true", help="look at validation only")
    parser.add_argument("--kuairand", type=Path, help="the folder of the data set")
    given = parser.parse_args()
    if given.kuairand:
        kuairand(given.kuairand, given.seeds)
        return
    world = build_world()
    catalogue = sample(world).catalogue
    with tempfile.TemporaryDirectory() as folder:
        tables = events_of(world, Path(folder))
        exposures = load_exposures(tables, catalogue.ids)
        histories = load_histories(tables, catalogue.ids, InterestConfig())
    split = temporal_split(histories, validation_days=VALIDATION_DAYS, test_days=TEST_DAYS)
    data = RankerData(exposures, histories, *moments_of(split, exposures))
    window = (split.validation if given.no_test else split.test).situated(exposures)
    at = {name: index for index, name in enumerate(world.user_ids)}
    position = {video.video_id: index for index, video in enumerate(world.videos)}
    order = np.array([position[video] for video in catalogue.ids.ids])
    moment = int(window.targets.timestamps.min()) / 1e6  # when `Reranked.on` answers the window
    day = (moment - world.config.start.timestamp()) / 86_400
    affinity = np.stack([world.affinity(at[u], day)[order] for u in window.histories.user_ids])
    grid, rng = np.linspace(0, 1, 101), np.random.default_rng(0)
    worths = {
        name: truths({**ValueConfig().weights(), **weights}, grid, rng)
        for name, weights in WEIGHTS.items()
    }
    metrics: dict[str, list[dict[str, float]]] = {}
    slates: dict[str, list[list[float]]] = {}
    for seed in given.seeds:
        retrieval = build({"kind": given.kind}, seed=seed)
        retrieval.fit(split.train, catalogue, validation=split.validation)
        scorers: dict[str, Any] = {"retrieval": retrieval}
        fitted = fit_ranker(RankerConfig(), data, catalogue, seed=seed)  # measures test, too
        metrics.setdefault("label alone", []).append(fitted.metrics)
        scorers["by label"] = choose_blend(
            fitted.ranker, retrieval, split.validation.situated(exposures)
        )[0]
        for name, weights in WEIGHTS.items():
            for blend in (None, 0.0, 0.5):
                value = ValueConfig(order="value", blend=blend, **weights)
                config = RankerConfig(value=value)
                if blend is None:
                    fitted = fit_ranker(config, data, catalogue, seed=seed)
                    if name == "published":
                        metrics.setdefault("with outcomes", []).append(fitted.metrics)
                    ranker = fitted.ranker
                ranker.config = config
                said = "chosen" if blend is None else f"{blend:g}"
                scorers[f"by value, {name}, blend {said}"] = choose_blend(
                    ranker, retrieval, split.validation.situated(exposures)
                )[0]
        for name, scorer in scorers.items():
            asked = scorer if name == "retrieval" else Reranked.on(retrieval, scorer, window)
            blend = 1.0 if name == "retrieval" else scorer.blend
            ndcg = evaluate(asked, window).metrics["ndcg@10"]
            scores = asked.score(window.histories)
            scores[window.histories.row_of, window.histories.videos] = -np.inf
            top = best_columns(scores, TOP_K)
            loved = np.take_along_axis(affinity, top, axis=1)
            brings = [float(np.interp(loved, grid, w).sum(axis=1).mean()) for w in worths.values()]
            slates.setdefault(name, []).append([blend, ndcg, float(loved.mean()), *brings])
    if given.no_test:
        kept = {name: [_validation(run) for run in runs] for name, runs in metrics.items()}
        metrics = kept
    report(metrics, slates, f"{given.kind}, {len(given.seeds)} seeds, {len(window)} users")


def kuairand(path: Path, seeds: list[int]) -> None:
    """Measure on real impressions, with the windows of `benchmarks.kuairand`."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue, histories, exposures = load(path, Path(folder))
    start, middle, end = WINDOWS["test"]
    data = RankerData(exposures.select(exposures.timestamps < end), histories, start, middle)
    _, train = window_of(histories, start, end)
    chosen_on, _ = window_of(histories, start, middle)
    window, _ = window_of(histories, middle, end)
    metrics: dict[str, list[dict[str, float]]] = {}
    slates: dict[str, list[list[float]]] = {}
    for seed in seeds:
        retrieval = build({"kind": "item_knn"}, seed=seed).fit(train, catalogue)
        for name, order in (("label alone", "label"), ("with outcomes", "value")):
            config = RankerConfig(warm_share=0.0, value=ValueConfig(order=order))
            fitted = fit_ranker(config, data, catalogue, seed=seed)
            metrics.setdefault(name, []).append(fitted.metrics)
            ranker, _ = choose_blend(fitted.ranker, retrieval, chosen_on)
            found = evaluate(Reranked.on(retrieval, ranker, window), window).metrics["ndcg@10"]
            slates.setdefault(f"by {order}", []).append([ranker.blend, found])
        plain = evaluate(retrieval, window).metrics["ndcg@10"]
        slates.setdefault("retrieval", []).append([1.0, plain])
    report(metrics, slates, f"KuaiRand, {len(seeds)} seeds, {len(window)} users")


def _validation(run: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in run.items() if name.startswith("validation/")}


def report(
    metrics: dict[str, list[dict[str, float]]], slates: dict[str, list[list[float]]], title: str
) -> None:
    """Print means over seeds."""
    console = Console(width=150)
    table = Table("ranker", "what", "AUC", "ECE", "happens", title=title)
    for name, runs in metrics.items():
        windows = [key[: -len("/auc")] for key in runs[0] if key.endswith("/auc")]
        for window in windows:
            cells = [
                np.mean([run[f"{window}/{m}"] for run in runs]) for m in ("auc", "ece", "wanted")
            ]
            table.add_row(name, window, f"{cells[0]:.4f}", f"{cells[1]:.4f}", f"{cells[2]:.4f}")
    console.print(table)
    columns = ("blend", "NDCG@10", "affinity", *(f"brings, {name}" for name in WEIGHTS))
    table = Table("order", *columns[: len(next(iter(slates.values()))[0])], title=title)
    for name, lines in slates.items():
        table.add_row(name, *(f"{value:.4f}" for value in np.mean(lines, axis=0)))
    console.print(table)


if __name__ == "__main__":
    main()
