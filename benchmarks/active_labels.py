"""Whether asking about the most uncertain videos teaches more than asking about any.

    python -m benchmarks.active_labels            the sample's styles and topics, known by design
    python -m benchmarks.active_labels FOLDER     genres of MovieLens (folder with u.item), by title

A person is simulated who knows the truth. From 20 random answers on, ten more are asked at a time,
chosen as `kinoloop label next` chooses or at random; heads learn from them as at an extract
(`kinoloop.semantics.answered_heads.fit_head`), and F1 is measured on a fifth of the videos, which
is never asked. Both start from the same 20 answers of a seed. Mean over labels and seeds 0 to 2,
and an interval (95 %, bootstrap over pairs of label and seed) of the difference.

By itself:
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.sample.topics import STYLES, TOPICS
from kinoloop.sample.world import SampleConfig, build_world
from kinoloop.semantics.answered_heads import fit_head
from kinoloop.semantics.asking import choose, uncertainty_of_label

START, STEP, STEPS = 20, 10, 8
SEEDS = (0, 1, 2)
GENRES = {5: "Comedy", 8: "Drama", 11: "Horror", 15: "Sci-Fi", 4: "Children's"}
"""Columns of u.item after the first five."""

Floats = NDArray[np.float32]
Truth = NDArray[np.bool_]


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    encoder = encoders.build({"kind": "minilm"})
    assert isinstance(encoder, TextEncoder)
    texts, labels = movielens(options.folder) if options.folder else sample()
    compare(encoder.encode_documents(texts), labels)


def compare(vectors: Floats, labels: dict[str, Truth]) -> None:
    """Print F1 by number of answers, asked either way."""
    curves = np.array(
        [
            [[_curve(vectors, truth, seed, active=active) for active in (True, False)]]
            for truth in labels.values()
            for seed in SEEDS
        ]
    )[:, 0]  # (label and seed, way, step)
    rng = np.random.default_rng(0)
    print(f"{len(vectors)} videos; labels {', '.join(labels)}; seeds {SEEDS}")
    print("answers  active  random  difference (95 %)")
    for step in range(STEPS + 1):
        active, random = curves[:, 0, step], curves[:, 1, step]
        apart = active - random
        drawn = [rng.choice(apart, len(apart)).mean() for _ in range(2000)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        print(
            f"{START + step * STEP:7}  {active.mean():.3f}   {random.mean():.3f}   "
            f"{apart.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        )
    means = curves[:, 0, 1:].mean(1) - curves[:, 1, 1:].mean(1)
    drawn = [rng.choice(means, len(means)).mean() for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    print(f"all sizes after the start: {means.mean():+.3f} ({low:+.3f} to {high:+.3f})")


def _curve(vectors: Floats, truth: Truth, seed: int, *, active: bool) -> list[float]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(vectors))
    test, pool = order[: len(order) // 5], order[len(order) // 5 :]
    asked = list(pool[:START])
    found = []
    for step in range(STEPS + 1):
        scores = _learned(vectors, truth, np.array(asked))
        found.append(float(f1_score(truth[test], scores[test] >= 0.5, zero_division=0)))
        if step == STEPS:
            break
        left = np.setdiff1d(pool, asked)
        if active:
            picked = left[choose(uncertainty_of_label(scores[left]), vectors[left], STEP)]
        else:
            picked = rng.choice(left, STEP, replace=False)
        asked.extend(picked.tolist())
    return found


def _learned(vectors: Floats, truth: Truth, asked: NDArray[np.int64]) -> Floats:
    right = truth[asked]
    if min(right.sum(), (~right).sum()) < 2:
        return np.full(len(vectors), right.mean(), np.float32)
    return fit_head("it", vectors[asked], right)[0].score(vectors)[:, 0]


def sample() -> tuple[list[str], dict[str, Truth]]:
    """Texts of 600 videos of the sample, and which have each of four styles and topics."""
    world = build_world(SampleConfig(videos=600))
    texts = [f"{video.title}. {video.description}" for video in world.videos]
    styles = {
        f"style {name}": np.array([video.style == i for video in world.videos])
        for i, name in enumerate(STYLES)
    }
    topics = {
        f"topic {TOPICS[i].name}": np.array([video.topic == i for video in world.videos])
        for i in range(4)
    }
    return texts, styles | topics


def movielens(folder: Path) -> tuple[list[str], dict[str, Truth]]:
    """Titles of MovieLens, and which films have each of five genres."""
    rows = (folder / "u.item").read_text(encoding="latin-1").splitlines()
    cells = [row.split("|") for row in rows]
    flags = np.array([[flag == "1" for flag in row[5:]] for row in cells])
    return [row[1] for row in cells], {name: flags[:, i] for i, name in GENRES.items()}


if __name__ == "__main__":
    main()
