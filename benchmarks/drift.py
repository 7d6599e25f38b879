"""How often do the drift tests cry wolf, and how strong must a drift be to be heard?

    python -m benchmarks.drift --worlds 200              # nothing changes: false alarms
    python -m benchmarks.drift --worlds 20 --strength .4 # 40% of the last week's events are drifted

Each world is newly simulated (150 users, 120 videos, 35 days, item-kNN as the champion) and the
default tests run on it, as far as the world has their vectors.
"""

import argparse
import time
from collections import Counter

import numpy as np

from kinoloop.drift.base import Scene
from kinoloop.drift.detect import DEFAULT_TESTS, DriftConfig, Result, detect
from kinoloop.testing.drifting import champion_of, make_world, windows_of

CONFIG = DriftConfig(tests=tuple(t for t in DEFAULT_TESTS if t.get("modality", "text") == "text"))


def simulate(seed: int, strength: float) -> tuple[bool, tuple[Result, ...]]:
    """One world: whether drift was called, and the results."""
    world = make_world(seed, drift_from=28 if strength else None, strength=strength)
    scene = Scene(windows_of(world), world.catalogue, champion_of(world), seed=seed)
    drift = detect(scene, CONFIG)
    return drift.fired, drift.results


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="False alarms and power of the drift tests.")
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--strength", type=float, default=0.0, help="0: nothing has changed")
    arguments = parser.parse_args()
    started, called = time.perf_counter(), 0
    fired: Counter[str] = Counter()
    surprising: Counter[str] = Counter()
    sizes: dict[str, list[float]] = {}
    for seed in range(arguments.worlds):
        drift, results = simulate(seed, arguments.strength)
        called += drift
        for result in results:
            evidence = result.measurement.evidence
            if evidence is not None:
                fired[result.name] += result.outcome == "fired"
                surprising[result.name] += evidence.p_value <= result.alpha
                sizes.setdefault(result.name, []).append(evidence.statistic)
    seconds = (time.perf_counter() - started) / arguments.worlds
    print(f"strength {arguments.strength:g}: drift called in {called} of {arguments.worlds} worlds")
    print(f"{seconds:.1f} s per world\n")
    print(
        f"{'test':28}{'fired':>6}{'p ≤ α':>7}{'median':>9}{'max':>8}   (α = {results[0].alpha:.4f})"
    )
    for name, values in sizes.items():
        middle, top = np.median(values), max(values)
        print(f"{name:28}{fired[name]:6d}{surprising[name]:7d}{middle:9.3f}{top:8.3f}")


if __name__ == "__main__":
    main()
