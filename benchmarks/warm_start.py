"""Warm start against scratch over weekly retrains: quality and CPU seconds.

    python -m benchmarks.warm_start DATA_DIR [--kinds sequence] [--seeds 0 1] [--weeks 4]
    python -m benchmarks.warm_start DATA_DIR --tune
    python -m benchmarks.warm_start DATA_DIR --refresh [--kinds concat_match]

Every week all that was known by then is cut as retrain cuts it (3 days of validation, 4 of test;
`--windows`). One line of retrains always starts from scratch; the other starts so in the first week
and then goes on from its own last one, with the settings of `[retrain]`. Both are measured on each
week's test window. NDCG@10 is paired by user and pooled over the weeks after the first, with its
95 % interval. `--tune` tries the share of replay and the learning rate in the second week, by
validation alone. `--refresh` teaches each retrain the newest window as `[retrain] refresh` does,
says what the guard found, and measures the proven and the refreshed one on the week after.

Needs: a directory with the Delta tables of an ingest, several weeks of them (DATA_DIR)
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import temporal_holdout, temporal_split
from kinoloop.schema import DAY_US
from kinoloop.training.model_selection import TrainedCandidate, TrainingData, fit_and_evaluate
from kinoloop.training.refresh import RefreshConfig, lesson_of, teach
from kinoloop.training.refresh import compare as guard_of
from kinoloop.training.warm_start import Parent, WarmStartConfig, read_parent, save_trained

METRIC = "ndcg@10"
REPLAYS, RATES = (0.0, 1.0, 3.0), (0.5, 1.0)


def main() -> None:
    """Measure, or look for settings."""
    parser = argparse.ArgumentParser(description="Warm start against scratch, week by week.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--kinds", nargs="*", default=["sequence", "concat_match", "biased_mf"])
    parser.add_argument("--set", default="{}", help="settings that differ, as JSON")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--weeks", type=int, default=4, help="retrains after the first")
    parser.add_argument("--days", type=float, default=7.0, help="between two retrains")
    parser.add_argument("--windows", nargs=2, type=float, default=(3.0, 4.0))
    parser.add_argument("--epochs", nargs="*", type=float, default=[0.25, 0.5], help="tried")
    parser.add_argument("--refresh", action="store_true", help="proven against refreshed")
    parser.add_argument("--tune", action="store_true", help="by validation, in the second week")
    given = parser.parse_args()
    for kind, seed in itertools.product(given.kinds, given.seeds):
        settings = {"kind": kind, **json.loads(given.set)}
        if given.tune:
            tune(settings, given, seed)
        elif given.refresh:
            refresh(settings, given, seed)
        else:
            compare(settings, given, seed)


def compare(settings: dict[str, object], given: argparse.Namespace, seed: int) -> None:
    """Print both lines of retrains, and their difference over all weeks after the first."""
    config, warm, differences, cpu = WarmStartConfig(), None, [], {"warm": 0.0, "scratch": 0.0}
    kind = settings["kind"]
    for week, data in enumerate(weeks(given)):
        scratch = fit_and_evaluate(settings, data, seed=seed, before_after=False)
        mine = scratch if warm is None else fit_and_evaluate(settings, data, seed=seed, start=warm)
        warm = as_parent(mine, config, data)
        line = f"{kind}, seed {seed}, week {week}: scratch {_told(scratch)}"
        if week:
            cpu["warm"] += mine.outcome.cpu_seconds
            cpu["scratch"] += scratch.outcome.cpu_seconds
            differences.append((mine.per_user[METRIC], scratch.per_user[METRIC]))
            line += f"; warm {_told(mine)}"
        print(line, flush=True)
    first, second = (np.concatenate(side) for side in zip(*differences, strict=True))
    found = paired(first, second, seed=seed)
    print(
        f"{kind}, seed {seed}, {len(differences)} retrains, {found.n} rows: test {METRIC} warm "
        f"{first.mean():.4f}, scratch {second.mean():.4f}, difference {found.mean:+.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}]; CPU s warm {cpu['warm']:.1f}, scratch "
        f"{cpu['scratch']:.1f}",
        flush=True,
    )


def tune(settings: dict[str, object], given: argparse.Namespace, seed: int) -> None:
    """Print validation NDCG@10 of the second week by replay, epochs and learning rate."""
    first, second = itertools.islice(weeks(given), 2)
    start = fit_and_evaluate(settings, first, seed=seed)
    scratch = fit_and_evaluate(settings, second, seed=seed)
    kind = settings["kind"]
    print(f"{kind}, seed {seed}: scratch {_told(scratch, window='validation')}", flush=True)
    for epochs, replay, rate in itertools.product(given.epochs, REPLAYS, RATES):
        config = WarmStartConfig(replay=replay, warm_epochs=epochs, warm_rate=rate)
        parent = as_parent(start, config, first)
        found = fit_and_evaluate(settings, second, seed=seed, start=parent)
        told = _told(found, window="validation")
        print(f"{kind}, replay {replay:g}, epochs {epochs:g}, rate {rate:g}: {told}", flush=True)


def refresh(settings: dict[str, object], given: argparse.Namespace, seed: int) -> None:
    """Print what teaching the newest window brings on the week that follows it."""
    config, guarded, differences, cpu = WarmStartConfig(), RefreshConfig(), [], 0.0
    kind, retrains = settings["kind"], list(weeks(given))
    for week, (data, later) in enumerate(itertools.pairwise(retrains)):
        fitted = fit_and_evaluate(settings, data, seed=seed, before_after=False)
        model = fitted.recommender
        lesson = lesson_of(data.histories, data.split.test, guarded.refresh_holdout)
        warm = as_parent(fitted, config, data).warm if model.goes_on else None
        started = time.process_time()
        refreshed = teach(model, model.config.model_dump(), lesson, warm=warm)
        cpu += time.process_time() - started
        guard = [evaluate(side, lesson.guard) for side in (model, refreshed)]
        verdict = guard_of(*guard, margin=guarded.refresh_margin, seed=seed)
        _, after = temporal_holdout(later.histories, days=given.days)
        sides = [evaluate(side, after).per_user[METRIC].to_numpy() for side in (refreshed, model)]
        served = sides[0] if verdict.passed else sides[1]
        differences.append((sides[0], sides[1], served))
        found = paired(*sides, seed=seed)
        print(
            f"{kind}, seed {seed}, week {week}: {'passed' if verdict.passed else 'REFUSED'}, "
            f"{verdict.told}; the week after: refreshed {sides[0].mean():.4f}, proven "
            f"{sides[1].mean():.4f}, {found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]",
            flush=True,
        )
    taught, proven, served = (np.concatenate(side) for side in zip(*differences, strict=True))
    for name, side in (("refreshed", taught), ("where the guard let it", served)):
        found = paired(side, proven, seed=seed)
        print(
            f"{kind}, seed {seed}, {len(differences)} retrains, {found.n} rows of the weeks after: "
            f"{METRIC} {name} {side.mean():.4f}, proven {proven.mean():.4f}, {found.mean:+.4f} "
            f"[{found.low:+.4f}, {found.high:+.4f}]; CPU s of the lessons {cpu:.1f}",
            flush=True,
        )


def weeks(given: argparse.Namespace) -> Iterator[TrainingData]:
    """Yield what each retrain knows, oldest first."""
    tables = Tables(given.data)
    catalogue = load_catalogue(tables)
    everything = load_histories(tables, catalogue.ids, InterestConfig())
    newest = int(everything.timestamps.max())
    validation_days, test_days = given.windows
    for back in range(given.weeks, -1, -1):
        known = everything.select(
            everything.timestamps <= newest - round(back * given.days * DAY_US)
        )
        split = temporal_split(known, validation_days=validation_days, test_days=test_days)
        yield TrainingData(catalogue, known, split)


def as_parent(fitted: TrainedCandidate, config: WarmStartConfig, data: TrainingData) -> Parent:
    """Pass a training on as a release does: through its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learned.safetensors"
        save_trained(
            path,
            fitted.recommender,
            trained_until=int(data.split.train.timestamps.max()),
            scratch_cpu_s=fitted.outcome.cpu_seconds,
        )
        return read_parent(path, config, label="last week")


def _told(fitted: TrainedCandidate, *, window: str = "test") -> str:
    outcome = fitted.outcome
    value = getattr(outcome, window)[METRIC]
    return f"{window} {value:.4f} in {outcome.cpu_seconds:.1f} CPU s"


if __name__ == "__main__":
    main()
