"""The language model as a recommender, before and after fine-tuning, against others.

    python -m benchmarks.llm [--seeds 0] [--candidates popularity ease sequence llm] [--llm JSON]
        [--stages zero-shot frozen tuned] [--no-test]

Run it where `make demo` has run: it reads that data and that key. Per seed and candidate: NDCG@10
on validation and test with 95 % intervals, AUC of "wanted" on what the test users went on to like
and to skip, how much they would truly enjoy slates of six (simulated; the last day), and CPU
seconds of fitting. Every stage of the language model has the same batches and steps. Tune with
`--no-test`, which looks at nothing but the validation window.

Needs: what `make demo` leaves in this folder
"""

import argparse
import json
import time
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.cli.showcase import TOP_K, watched
from kinoloop.data.histories import Histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.models.base import Recommender, build
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.sample import Truth, build_world
from kinoloop.settings import read_section
from kinoloop.training.model_selection import RetrainConfig, TrainingData, load_training_data

STAGES = {
    "zero-shot": {"epochs": 0},
    "frozen": {"tune": "head"},
    "tuned": {},
}


def staged(settings: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return the settings of one stage: the same but for what is trained."""
    change = dict(STAGES[stage])
    tune = change.pop("tune", None)
    found = {**settings, **change}
    if tune:
        found["backbone"] = {**found["backbone"], "tune": tune}
    return found


def interval(values: NDArray[np.float64]) -> str:
    """Mean with its 95 % bootstrap interval over users."""
    found = paired(values, np.zeros(len(values)), seed=0)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def enjoyment(recommender: Recommender, data: TrainingData) -> float:
    """Mean closeness of slates after all that is known, of all users."""
    environment, world = Environment(), build_world()
    pseudonyms, truth = load_pseudonyms(environment), Truth(world)
    now: datetime = world.config.at(world.config.days)
    seen, _ = watched(environment.data_dir / "sample" / "batches")
    rows = {user: row for row, user in enumerate(data.histories.user_ids)}
    ids, found = data.catalogue.ids.ids, []
    scores = recommender.score(data.histories)
    for user in seen:
        row = rows.get(pseudonyms.of(user))
        if row is None:
            continue
        order = [ids[video] for video in np.argsort(-scores[row], kind="stable")]
        slate = [video for video in order if video not in seen[user]][:TOP_K]
        found.append(truth.closeness(user, slate, now, exclude=seen[user]))
    return float(np.mean(found))


def wanted_auc(recommender: Recommender, data: TrainingData) -> float:
    """AUC of what test users met after the test window began, by chance or else by score."""
    test = data.split.test
    begin = int(test.targets.timestamps.min())
    rows = {user: row for row, user in enumerate(data.histories.user_ids)}
    asked: Histories = data.histories.rows(np.array([rows[u] for u in test.histories.user_ids]))
    judge = getattr(recommender, "wanted", recommender.score)
    try:
        scores = judge(test.histories)
    except ValueError:  # it never learned what is wanted
        scores = recommender.score(test.histories)
    row = np.repeat(np.arange(len(asked)), asked.lengths)
    mine = (asked.timestamps >= begin) & (asked.weights != 0)
    return roc_auc(asked.weights[mine] > 0, scores[row[mine], asked.videos[mine]])


def measure(
    name: str, settings: dict[str, Any], data: TrainingData, *, seed: int, test: bool
) -> None:
    """Fit one candidate, and print a row of a Markdown table."""
    recommender = build(settings, seed=seed)
    started = time.process_time()
    recommender.fit(data.split.train, data.catalogue, validation=data.split.validation)
    spent = time.process_time() - started
    cells = [str(seed), name]
    windows = [data.split.validation, *([data.split.test] if test else [])]
    for window in windows:
        per_user = evaluate(recommender, window, train=data.split.train).per_user
        cells.append(interval(per_user["ndcg@10"].to_numpy()))
    if test:
        cells += [f"{wanted_auc(recommender, data):.3f}", f"{enjoyment(recommender, data):.3f}"]
    facts = getattr(recommender, "facts", None)
    trained = facts is not None and recommender.config.model_dump()["epochs"]
    cells += [f"{spent:.1f}", f"{facts.trainable:,}" if facts and trained else ""]
    share = getattr(recommender, "wanted_share", None)
    cells.append("" if share is None else f"match {recommender.match_weight:g}, wanted {share:g}")
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Measure every candidate for every seed."""
    parser = argparse.ArgumentParser(description="Language model against other recommenders.")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    every = ["popularity", "ease", "sequence", "llm"]
    parser.add_argument("--candidates", nargs="*", default=every)
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--llm", type=json.loads, default={}, help="other settings of the llm")
    parser.add_argument("--no-test", action="store_true", help="look at validation only")
    wanted = parser.parse_args()
    environment = Environment()
    config = read_section("retrain", RetrainConfig, environment.settings_file)
    interest = read_section("interest", InterestConfig, environment.settings_file)
    data = load_training_data(Tables(environment.data_dir), config, interest)
    print("| seed | candidate | validation | test | AUC | enjoyment | fit CPU s | trained | |")
    print("| --- " * 9 + "|")
    for seed in wanted.seeds:
        for kind in wanted.candidates:
            settings: dict[str, Any] = {"kind": kind}
            if kind != "llm":
                measure(kind, settings, data, seed=seed, test=not wanted.no_test)
                continue
            whole = build({**settings, **wanted.llm}).config.model_dump()
            for stage in wanted.stages:
                measure(
                    f"llm, {stage}",
                    staged(whole, stage),
                    data,
                    seed=seed,
                    test=not wanted.no_test,
                )


if __name__ == "__main__":
    main()
