"""What a retrain leaves for people: a page and plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kinoloop.evaluation.evaluate import HEADLINE
from kinoloop.registry.model_version import ModelVersion
from kinoloop.training.outcome import SELECTION_METRIC, Outcome, choose
from kinoloop.training.ranker import GAIN
from kinoloop.training.warm_start import SCRATCH
from tasks.stages import stages_table

NO_RANKER: Mapping[str, float] = {}


def selection_page(
    outcomes: Sequence[Outcome],
    failed: Mapping[str, str],
    version: ModelVersion,
    ranker: Mapping[str, float] = NO_RANKER,
) -> str:
    """Report the candidates, which one won and by what, as Markdown; and what its ranker brings."""
    winner = choose(outcomes)
    lines = [
        f"# {winner.name} won: version {version.version} is registered",
        "",
        f"Chosen by {SELECTION_METRIC} on the validation window "
        f"({winner.validation['rows']:.0f} users), reported on the test window "
        f"({winner.test['rows']:.0f} users). Dataset version "
        f"`{version.tags.get('dataset_version')}`.",
        "",
        f"| candidate | validation {SELECTION_METRIC} | "
        + " | ".join(f"test {metric}" for metric in HEADLINE)
        + " | fit s | CPU s | started from |",
        "| --- " * (len(HEADLINE) + 5) + "|",
    ]
    for outcome in sorted(outcomes, key=lambda o: -o.validation[SELECTION_METRIC]):
        cells = [f"{outcome.test[m]:.4f}" for m in HEADLINE]
        row = [outcome.name, f"{outcome.validation[SELECTION_METRIC]:.4f}", *cells]
        row += [f"{outcome.fit_seconds:.1f}", f"{outcome.cpu_seconds:.1f}", _origin(outcome)]
        lines.append("| " + " | ".join(row) + " |")
    lines += [f"| {name} | failed: {why} |" for name, why in failed.items()]
    lines += ["", *_chosen(outcomes), *_saved(outcomes)]
    lines += stages_table(outcomes, SELECTION_METRIC)
    lines += _ranked(ranker)
    return "\n".join(lines) + "\n"


def _ranked(ranker: Mapping[str, float]) -> list[str]:
    """Tell what slates were before and after the ranker; nothing where there is none."""
    if not ranker:
        return []
    name = f"slates/{SELECTION_METRIC}"
    line = (
        f"Slates of the winner on the test window, before and after its ranker (blend "
        f"{ranker['blend']:g}): {SELECTION_METRIC} {ranker[f'{name}_without']:.4f} → "
        f"{ranker[name]:.4f}"
    )
    if GAIN in ranker:  # work of an earlier version has no interval
        low, high = ranker[f"{GAIN}_low"], ranker[f"{GAIN}_high"]
        line += f", {ranker[GAIN]:+.4f} [{low:+.4f}, {high:+.4f}]"
    return ["", f"{line}; AUC {ranker['test/auc']:.4f}, ECE {ranker['test/ece']:.4f}."]


def _chosen(outcomes: Sequence[Outcome]) -> list[str]:
    """Tell which settings that were left open the validation window chose."""
    lines = []
    for outcome in outcomes:
        told = ", ".join(f"`{name}` {value:g}" for name, value in outcome.chosen.items())
        lines += [f"- {outcome.name}: the validation window chose {told}."] if told else []
    return lines


def _origin(outcome: Outcome) -> str:
    """Tell what a candidate started from; empty where it always starts anew."""
    why = f"scratch: {outcome.scratch_because}" if outcome.scratch_because else ""
    return outcome.started_from or why


def _saved(outcomes: Sequence[Outcome]) -> list[str]:
    """Tell what going on from earlier weights has saved, and how it did against scratch."""
    by_name, lines = {outcome.name: outcome for outcome in outcomes}, []
    for outcome in outcomes:
        if not outcome.started_from:
            continue
        anew = by_name.get(f"{outcome.name}{SCRATCH}")
        before = outcome.scratch_cpu_seconds if anew is None else anew.cpu_seconds
        when = "the newest training from scratch" if anew is None else "from scratch, now"
        line = (
            f"- {outcome.name} went on from {outcome.started_from}: {outcome.cpu_seconds:.1f} CPU "
            f"seconds, {when} {before:.1f} ({outcome.cpu_seconds - before:+.1f})"
        )
        if anew is not None:
            gain = outcome.validation[SELECTION_METRIC] - anew.validation[SELECTION_METRIC]
            line += f"; validation {SELECTION_METRIC} {gain:+.4f} against scratch"
        lines.append(f"{line}.")
    return lines


def plot_candidates(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """Draw what each candidate reached on both windows; returns the PNG."""
    from matplotlib.figure import Figure

    ranked = sorted(outcomes, key=lambda o: o.validation[SELECTION_METRIC])
    figure = Figure(figsize=(7, 1 + 0.5 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    for shift, window in ((0.2, "validation"), (-0.2, "test")):
        values = [getattr(outcome, window)[SELECTION_METRIC] for outcome in ranked]
        axes.barh([i + shift for i in range(len(ranked))], values, height=0.4, label=window)
    axes.set_yticks(range(len(ranked)), [outcome.name for outcome in ranked])
    axes.set_xlabel(SELECTION_METRIC)
    axes.legend(loc="lower right")
    path = folder / "candidates.png"
    figure.savefig(path, dpi=120)
    return path


def plot_epochs(outcome: Outcome, folder: Path) -> list[Path]:
    """Draw each metric that was reported over epochs; a metric with one value has no curve."""
    from matplotlib.figure import Figure

    paths = []
    for name in sorted({name for name, _, _ in outcome.epochs}):
        points = [(step, value) for metric, value, step in outcome.epochs if metric == name]
        if len(points) < 2:
            continue
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*points, strict=True), marker="o")
        axes.set(xlabel="epoch", ylabel=name, title=outcome.name)
        paths.append(folder / f"{name.replace('/', '_')}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths
