"""Verb `drift`: does today still look like the champion's training days?"""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"fired": "red", "quiet": "green", "not enough data": "dim"}


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(drift)


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
