"""Verbs `drift` and `loop`: does today still look the same, and the whole loop at once."""

from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"fired": "red", "quiet": "green", "not enough data": "dim"}


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(drift)
    app.command()(loop)


def drift(
    trigger: bool = typer.Option(
        True, help="Start the retrain deployment when drift is found and there is one."
    ),
) -> None:
    """Compare the newest days with the champion's training window; leave a report."""
    from cli.backends import connect

    connect()
    from flows.drift import drift as drift_flow

    found = drift_flow(trigger=trigger)
    console = Console()
    table = Table("test", "outcome")
    for name, outcome in found["tests"].items():
        table.add_row(escape(name), f"[{COLOURS[outcome]}]{outcome}[/]")
    console.print(table)
    console.print("[red]Drift found.[/]" if found["fired"] else "[green]No drift is called.[/]")
    console.print(f"Report: {escape(found['report'])}", soft_wrap=True)


def loop(
    always_retrain: bool = typer.Option(
        False, "--always-retrain", help="Retrain even where no drift was found."
    ),
) -> None:
    """Ingest, extract, look for drift, retrain where it is due, promote what proves better."""
    run_loop(always_retrain=always_retrain)


def run_loop(*, always_retrain: bool) -> dict[str, Any]:
    """Run the loop and print what each flow did; returns what the flow returned."""
    from cli.backends import connect

    connect()
    from flows.loop import loop as loop_flow

    done = loop_flow(always_retrain=always_retrain)
    ingested, retrained, promoted = done["ingest"], done["retrain"], done["promote"]
    rows = {
        "ingest": f"{ingested['accepted']:,} of {ingested['rows']:,} rows accepted, "
        f"{ingested['quarantined']:,} quarantined",
        "extract": f"{done['extract']['done']:,} videos encoded",
        "drift": "[red]found[/]" if done["drift"]["fired"] else "[green]none called[/]",
        "retrain": f"{retrained['outcome']}: {retrained['candidate']}" if retrained else "not due",
        "promote": f"{promoted['outcome']}"
        + (f": version {promoted['version']}" if promoted["version"] else ""),
    }
    table = Table("flow", "outcome", box=None)
    for name, outcome in rows.items():
        table.add_row(name, outcome)
    console = Console(highlight=False)
    console.print(table)
    for refusal in promoted["refused_by"]:
        console.print(
            f"version {promoted['version']} refused by [red]{escape(refusal)}[/red]",
            soft_wrap=True,
        )
    return done
