"""A blend against its parts on ingested data, as a retrain makes and measures them.

    python -m benchmarks.blend DATA_DIR [--split leave_one_out] [--parts item_knn biased_mf]
        [--seeds 0 1 2] [--rating-liked-from 0] [--validation-only]

Every part is fitted on the training window, stopped early on validation, and measured on both
windows; then the blend takes them. Prints NDCG@10 and CPU seconds of each, the weights, what the
blend gains on validation by weights that had not seen the user, which is what decides, and what it
gains over its best part on the test window, with 95 % intervals over users.

Needs: a directory with the Delta tables of an ingest (DATA_DIR)
"""

import argparse
from dataclasses import replace
from pathlib import Path

from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.compare import paired
from kinoloop.training.blending import unproven
from kinoloop.training.model_selection import (
    RetrainConfig,
    TrainedCandidate,
    TrainingData,
    fit_and_evaluate,
    load_training_data,
)
from kinoloop.training.outcome import SELECTION_METRIC

PARTS = ("popularity", "item_knn", "user_knn", "ease", "biased_mf", "two_tower")


def main() -> None:
    """Parse the arguments; measure each seed."""
    parser = argparse.ArgumentParser(description="Measure a blend against its parts.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--split", choices=("temporal", "leave_one_out"), default="temporal")
    parser.add_argument("--days", nargs=2, type=float, default=(3.0, 4.0), help="of the windows")
    parser.add_argument("--parts", nargs="+", default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rating-liked-from", type=float, help="as in [interest]")
    parser.add_argument("--validation-only", action="store_true", help="leave the test unread")
    given = parser.parse_args()
    config = RetrainConfig(
        split=given.split,
        validation_days=given.days[0],
        test_days=given.days[1],
        candidates=[{"kind": "blend"}, *({"kind": kind} for kind in given.parts)],
    )
    interest = InterestConfig(rating_liked_from=given.rating_liked_from)
    data = load_training_data(Tables(given.data), config, interest)
    print(f"{len(data.split.validation)} users in validation, {len(data.split.test)} in test")
    for seed in given.seeds:
        measure(config, data, seed, shown=not given.validation_only)


def measure(config: RetrainConfig, data: TrainingData, seed: int, *, shown: bool) -> None:
    """Fit and print the parts and the blend of one seed."""
    *parts, blend = config.candidates
    fitted: dict[str, TrainedCandidate] = {}
    for settings in parts:
        fitted[settings["kind"]] = fit_and_evaluate(settings, data, seed=seed)
        tell(fitted[settings["kind"]], seed, shown=shown)
    taken = {name: candidate.recommender for name, candidate in fitted.items()}
    found = fit_and_evaluate(blend, replace(data, fitted=taken), seed=seed)
    tell(found, seed, shown=shown)
    blended = found.outcome.blended
    assert blended is not None
    weights = ", ".join(f"{name} {value:.2f}" for name, value in blended.weights.items() if value)
    gain = blended.gain
    print(f"  weights: {weights}")
    print(
        f"  on validation over {blended.best_part}, unseen users: {gain.mean:+.4f} "
        f"[{gain.low:+.4f}, {gain.high:+.4f}]; {unproven(found.outcome) or 'it competes'}"
    )
    if shown:
        best = fitted[blended.best_part].per_user[SELECTION_METRIC]
        test = paired(found.per_user[SELECTION_METRIC], best, seed=seed)
        print(f"  on test: {test.mean:+.4f} [{test.low:+.4f}, {test.high:+.4f}]", flush=True)


def tell(candidate: TrainedCandidate, seed: int, *, shown: bool) -> None:
    """Print one candidate."""
    outcome = candidate.outcome
    test = f", test {outcome.test[SELECTION_METRIC]:.4f}" if shown else ""
    print(
        f"seed {seed}, {outcome.name}: validation {outcome.validation[SELECTION_METRIC]:.4f}{test},"
        f" {outcome.cpu_seconds:.1f} CPU s",
        flush=True,
    )


if __name__ == "__main__":
    main()
