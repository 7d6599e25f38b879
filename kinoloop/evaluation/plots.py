"""Plots of an evaluation: quality with intervals, quality against popularity bias, slices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kinoloop.evaluation.evaluate import Evaluation
from kinoloop.evaluation.leaderboard import LeaderboardRow, by_history
from kinoloop.evaluation.metrics.calibration import reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
WIDTH = 8.0  # inches
SLICES = ("new_users", "sparse_users", "new_videos")


def plot_leaderboard(
    rows: Sequence[LeaderboardRow], folder: Path, *, metric: str = "ndcg@10"
) -> Path:
    """Bars, best on top; a whisker is the interval of the difference to the reference."""
    from matplotlib.figure import Figure

    ranked = list(reversed(rows))
    figure = Figure(figsize=(WIDTH, 1.2 + 0.42 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    values = [row.metrics[metric] for row in ranked]
    reference = next((row for row in ranked if row.against is None), None)
    colours = ["tab:orange" if row is reference else "tab:blue" for row in ranked]
    axes.barh(range(len(ranked)), values, color=colours, height=0.65)
    for at, row in enumerate(ranked):
        if row.against is not None and reference is not None:
            base = reference.metrics[metric]
            low, high = base + row.against.low, base + row.against.high
            axes.plot([low, high], [at, at], color="black", linewidth=1.5)
    axes.set_yticks(range(len(ranked)), [row.name for row in ranked])
    axes.set_xlim(left=0)
    note = f"; line: 95 % interval of the difference to {reference.name}" if reference else ""
    axes.set_xlabel(f"{metric}{note}")
    return _saved(figure, folder / "standings.png")


def plot_tradeoff(rows: Sequence[LeaderboardRow], folder: Path, *, metric: str = "ndcg@10") -> Path:
    """Quality against the share of the catalogue that is shown, and against popularity."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, other in zip(both, ("coverage@10", "popularity@10"), strict=True):
        for at, row in enumerate(rows):
            if other in row.metrics:
                axes.plot(
                    row.metrics[other], row.metrics[metric], "o", color=f"C{at}", label=row.name
                )
        axes.margins(0.1)
        axes.set(xlabel=other)
    both[0].set_ylabel(metric)
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return _saved(figure, folder / "tradeoff.png")


def plot_slices(found: Mapping[str, Evaluation], folder: Path, *, metric: str = "ndcg@10") -> Path:
    """Quality by length of history, and for new videos and users."""
    from matplotlib.figure import Figure

    groups = {name: by_history(evaluation, metric) for name, evaluation in found.items()}
    labels = [f"history {g}" for g in next(iter(groups.values()), {})]
    sliced = [s for s in SLICES if any(s in e.slices for e in found.values())]
    figure = Figure(figsize=(WIDTH + 2, 4.5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / max(1, len(found))
    for at, (name, evaluation) in enumerate(found.items()):
        values = [mean for mean, _ in groups[name].values()]
        values += [evaluation.slices.get(s, {}).get(metric, float("nan")) for s in sliced]
        axes.bar(np.arange(len(values)) + (at + 0.5) * width - 0.4, values, width, label=name)
    names = [*labels, *(s.replace("_", " ") for s in sliced)]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(metric)
    figure.legend(loc="outside lower center", ncols=4)
    return _saved(figure, folder / "slices.png")


def plot_reliability(labels: ArrayLike, probabilities: ArrayLike, folder: Path) -> Path:
    """Of what was predicted at p, how much happened; on the diagonal is calibrated."""
    from matplotlib.figure import Figure

    table = reliability(labels, probabilities)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(table[:, 0], table[:, 1], "o-")
    axes.set(xlabel="predicted", ylabel="happened", xlim=(0, 1), ylim=(0, 1))
    return _saved(figure, folder / "reliability.png")


def _saved(figure: "Figure", path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    return path
