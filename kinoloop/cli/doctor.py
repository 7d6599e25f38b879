"""`kinoloop doctor`: look at the machine and name each fix."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kinoloop.environment import Environment

COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Check the machine: versions, codecs, room, ports, keys, remotes. Status 1 if broken."""
    from kinoloop.cli.checks import CHECKS
    from kinoloop.cli.finding import State

    environment = Environment()
    console = Console()
    table = Table(box=None, pad_edge=False)
    for title in ("", "Check", "Seen", "Fix"):
        table.add_column(title, overflow="fold")
    findings = []
    with console.status("Looking …"):
        for check in CHECKS:
            findings += list(check(environment))
    for finding in findings:
        colour = COLOURS[finding.state]
        table.add_row(
            f"[{colour}]{finding.state}[/]",
            finding.name,
            escape(finding.seen),
            escape(finding.fix),
        )
    console.print(table)
    broken = sum(finding.state is State.BROKEN for finding in findings)
    if broken:
        console.print(f"[red]{broken} of {len(findings)} checks found something broken[/red]")
        raise typer.Exit(1)
    console.print(f"[green]{len(findings)} checks, nothing broken[/green]")
