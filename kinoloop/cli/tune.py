"""`kinoloop tune`: search for better settings of one candidate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from kinoloop.tuning.study import Attempt


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("tune")(tune)


def tune(
    candidate: str = typer.Argument(help="A kind, or a name among `retrain.candidates`."),
    minutes: float = typer.Option(10.0, "--minutes", "-m", min=0.01, help="Time budget."),
    name: str | None = typer.Option(
        None, "--name", help="Of the study; the same name goes on. Default: the candidate's."
    ),
    trials: int | None = typer.Option(None, "--trials", min=1, help="At most so many, this time."),
    out: Path | None = typer.Option(
        None, "--out", help="Where the TOML goes. Default: tuned/NAME.toml beside the studies."
    ),
) -> None:
    """Search for better settings on the validation window, and write them as TOML."""
    import math

    from kinoloop import durable
    from kinoloop.data.interest import InterestConfig
    from kinoloop.data.tables import Tables
    from kinoloop.environment import Environment
    from kinoloop.errors import ConfigError
    from kinoloop.settings import read_section
    from kinoloop.training.contrastive import FusionSettings
    from kinoloop.training.model_selection import RetrainConfig, SplitConfig, load_training_data
    from kinoloop.tuning.study import StudyConfig
    from kinoloop.tuning.study import tune as search_settings
    from kinoloop.tuning.toml import candidate_block, want_of_time

    if not math.isfinite(minutes):
        raise ConfigError(f"--minutes is {minutes}; expected a finite number of minutes")
    environment, console = Environment(), Console(highlight=False)
    config = read_section("retrain", RetrainConfig, environment.settings_file)
    interest = read_section("interest", InterestConfig, environment.settings_file)
    fusion = read_section("fusion", FusionSettings, environment.settings_file)
    contrastive = fusion.contrastive
    joint = f" {contrastive.model_dump_json()}" if contrastive.enabled else ""
    tables = Tables(environment.data_dir)
    versions = {table: tables.version(table) for table in ("videos", "events", "features")}
    split = config.model_dump_json(include=set(SplitConfig.model_fields))
    search = StudyConfig(
        name=name or candidate,
        candidate=_candidate(candidate, config.candidates),
        minutes=minutes,
        seed=config.seed,
        data=f"{versions} {split} {interest.model_dump_json()}{joint}",
        max_trials=trials,
    )
    with console.status(f"Searching for {minutes:g} minutes"):
        tuned = search_settings(
            search,
            load_training_data(tables, config, interest, contrastive=contrastive),
            environment.state_dir / "tuning" / "studies.db",
            tried=lambda attempt: console.print(_line(attempt)),
        )
    if missed := want_of_time(tuned).removeprefix(", "):
        console.print(
            f"[yellow]{missed}:[/yellow] how far a search comes in {minutes:g} minutes depends on "
            "the machine. The same name goes on; --trials with more --minutes can be repeated.",
            soft_wrap=True,
        )
    block = candidate_block(tuned)
    target = out or environment.state_dir / "tuning" / f"{tuned.name}.toml"
    durable.write_text(target, block + "\n")
    console.print(f"\n{escape(block)}\n\nwritten to {escape(str(target))}", soft_wrap=True)


def _candidate(wanted: str, candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the settings that stay: those of the candidate of that name, else a bare kind.

    The defaults that the settings file spells out are searched too, so only a candidate with a
    name of its own keeps what it sets.
    """
    for settings in candidates:
        if settings.get("name") == wanted:
            return settings
    return {"kind": wanted}


def _line(attempt: "Attempt") -> str:
    value = f"{attempt.value:.4f}" if attempt.value is not None else attempt.state
    settings = {k: v for k, v in attempt.settings.items() if k not in {"kind", "name"}}
    return f"[dim]{attempt.number:>4}[/dim]  {value:>8}  {attempt.seconds:6.1f} s  {settings}"
