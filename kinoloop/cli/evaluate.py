"""`kinoloop evaluate`: champion and candidates on one window, as a table and plots."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    from kinoloop.environment import Environment
    from kinoloop.evaluation.evaluate import Evaluation
    from kinoloop.evaluation.leaderboard import LeaderboardRow
    from kinoloop.release.release import Release
    from kinoloop.training.model_selection import TrainingData

SHOWN = ("ndcg@10", "hr@10", "recall@20", "mrr@10", "map@10", "auc")
BEYOND = ("coverage@10", "novelty@10", "popularity_lift@10")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate)


def evaluate(
    names: list[str] = typer.Argument(
        None, help="Candidates to fit: names or kinds. Default: all in the settings file."
    ),
    window: str = typer.Option("test", help="test, or validation to leave the test window unseen."),
    champion: bool = typer.Option(True, help="Measure the champion's release too."),
    out: Path | None = typer.Option(
        None,
        "--out",
        help="Folder of plots and per-user results. Default: evaluation/ in the state.",
    ),
    logged: bool = typer.Option(
        False, "--logged", help="Estimate from what was shown with known chances instead."
    ),
    reward: str = typer.Option(
        "wanted", help="With --logged: what a place brings; wanted, value, or a kind of event."
    ),
    clip: float = typer.Option(0.0, min=0, help="With --logged: largest weight; 0: any."),
    answers: int = typer.Option(5000, min=1, help="With --logged: that are asked about, at most."),
) -> None:
    """Fit candidates on the training window and measure them beside the champion."""
    from kinoloop.data.interest import InterestConfig
    from kinoloop.data.tables import Tables
    from kinoloop.environment import Environment
    from kinoloop.errors import ConfigError
    from kinoloop.evaluation.baseline import popularity_warning
    from kinoloop.evaluation.leaderboard import leaderboard, per_user
    from kinoloop.evaluation.plots import plot_leaderboard, plot_slices, plot_tradeoff
    from kinoloop.settings import read_section
    from kinoloop.training.contrastive import FusionSettings
    from kinoloop.training.model_selection import RetrainConfig, build_candidate, load_training_data

    if window not in {"test", "validation"}:
        raise ConfigError(f"--window is {window!r}; there are test and validation")
    environment, console = Environment(), Console(highlight=False)
    config = read_section("retrain", RetrainConfig, environment.settings_file)
    interest = read_section("interest", InterestConfig, environment.settings_file)
    fusion = read_section("fusion", FusionSettings, environment.settings_file)
    wanted = [_settings(name, config.candidates) for name in names or []] or config.candidates
    for settings in wanted:
        build_candidate(settings, seed=config.seed)  # one that there is not is told at once
    tables = Tables(environment.data_dir)
    data = load_training_data(tables, config, interest, contrastive=fusion.contrastive)
    folder = out or environment.state_dir / "evaluation"
    if logged:
        from kinoloop.cli.logged import evaluate_logged
        from kinoloop.promotion.off_policy import LoggedConfig

        asked = {"window": window, "reward": reward, "clip": clip or None, "answers": answers}
        serving = _release(environment) if champion else None
        evaluate_logged(
            environment, data, wanted, serving,
            config=LoggedConfig(**asked, seed=config.seed), out=folder,
        )  # fmt: skip
        return
    found: dict[str, Evaluation] = {}
    if champion:
        found |= _champion(environment, data, window)
    with console.status("Fitting") as status:
        for settings in wanted:
            status.update(f"Fitting {settings.get('name') or settings['kind']}")
            found |= _fitted(settings, data, window, config.seed)
    rows = leaderboard(found, reference=next(iter(found)), seed=config.seed)
    extra = [f"{name}@10" for name in config.extra_metrics]
    _show(console, rows, reference=next(iter(found)), shown=(*SHOWN, *extra))
    served = next((name for name in found if name.startswith("champion (")), rows[0].name)
    scores = {row.name: row.metrics["ndcg@10"] for row in rows}
    if warning := popularity_warning(served, scores, window=window):
        console.print(f"[yellow]{escape(warning)}[/yellow]", soft_wrap=True)
    plots = [
        plot_leaderboard(rows, folder),
        plot_tradeoff(rows, folder),
        plot_slices(found, folder),
    ]
    per_user(found).write_parquet(folder / "per_user.parquet")
    for path in (*plots, folder / "per_user.parquet"):
        console.print(escape(str(path)), soft_wrap=True)


def _settings(name: str, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    for settings in candidates:
        if name in {settings.get("name"), settings.get("kind")}:
            return settings
    return {"kind": name}


def _fitted(
    settings: dict[str, Any], data: "TrainingData", window: str, seed: int
) -> "dict[str, Evaluation]":
    from threadpoolctl import threadpool_limits

    from kinoloop.evaluation.evaluate import evaluate as measure
    from kinoloop.training.model_selection import build_candidate, candidate_name

    split = data.split
    with threadpool_limits(limits=1):
        model = build_candidate(settings, seed=seed)
        model.fit(split.train, data.catalogue, validation=split.validation)
        holdout = split.test if window == "test" else split.validation
        measured = measure(model, holdout, train=split.train, metrics=data.metrics)
        return {candidate_name(settings): measured}


def _champion(
    environment: "Environment", data: "TrainingData", window: str
) -> "dict[str, Evaluation]":
    """Evaluate the release in service on the same window; return nothing before a promotion."""
    from kinoloop.promotion.decision import measure

    serving = _release(environment)
    if serving is None:
        return {}
    name, release = serving
    holdout = data.split.test if window == "test" else data.split.validation
    return {name: measure(release, holdout, data.catalogue.ids, metrics=data.metrics)}


def _release(environment: "Environment") -> "tuple[str, Release] | None":
    """Open the release in service, with what to call it; None before a promotion."""
    from kinoloop.errors import BundleError, RegistryError
    from kinoloop.registry.client import ModelRegistry
    from kinoloop.release.release import Release
    from kinoloop.release.signature import load_trust

    try:
        registry = ModelRegistry(environment.tracking_uri)
        version = registry.champion()
        if version is None:
            return None
        trust = load_trust(environment)
        bundle = registry.download(version, environment.releases, trust=trust)
        release = Release.open(bundle, trust)
    except (BundleError, RegistryError) as err:
        Console(stderr=True).print(f"[yellow]without the champion:[/] {escape(str(err))}")
        return None
    return f"champion ({release.info.name or release.info.kind})", release


def _show(
    console: Console, rows: "list[LeaderboardRow]", *, reference: str, shown: tuple[str, ...]
) -> None:
    found = []
    for row in rows:
        difference = row.against
        gain = "" if difference is None else (
            f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
        )  # fmt: skip
        beyond = [f"{row.metrics[m]:.4f}" if m in row.metrics else "" for m in BEYOND]
        cells = [f"{row.metrics[m]:.4f}" for m in shown]
        found.append([escape(row.name), *cells, gain, *beyond])
    show(console, ["", *shown, f"ndcg@10 − {escape(reference)}", *BEYOND], found)
    slices = []
    for name in sorted({name for row in rows for name in row.slices}):
        of_rows = [row.slices.get(name, {}) for row in rows]
        count = max(part.get("rows", 0) for part in of_rows)
        cells = [f"{part['ndcg@10']:.4f}" if part else "" for part in of_rows]
        slices.append([name.replace("_", " "), f"{count:.0f}", *cells])
    if slices:
        console.print()
        show(console, ["ndcg@10 of", "rows", *(escape(row.name) for row in rows)], slices)
