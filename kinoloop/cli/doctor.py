"""`kinoloop doctor`: look at the machine and name each fix."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from kinoloop.cli.finding import Finding

STATE = len("warning")
GAP = 2  # between columns
COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Check the machine: versions, codecs, room, ports, keys, remotes. Status 1 if broken."""
    from kinoloop.cli.checks import CHECKS
    from kinoloop.cli.finding import State
    from kinoloop.environment import Environment

    environment = Environment()
    console = Console()
    findings = []
    with console.status("Looking …"):
        for check in CHECKS:
            findings += list(check(environment))
    show_findings(console, findings)
    broken = sum(finding.state is State.BROKEN for finding in findings)
    if broken:
        console.print(f"[red]{broken} of {len(findings)} checks found something broken[/red]")
        raise typer.Exit(1)
    console.print(f"[green]{len(findings)} checks, nothing broken[/green]")


def show_findings(console: Console, findings: "Sequence[Finding]") -> None:
    """Print a table or, where it would break words, one paragraph per finding."""
    names = max(len(finding.name) for finding in findings)
    left = console.width - STATE - names - 3 * GAP
    seen_low, seen_high = _span([finding.seen for finding in findings])
    fix_low, fix_high = _span([finding.fix for finding in findings])
    if seen_low + fix_low > left:
        for finding in findings:
            console.print(_paragraph(finding, console.width), soft_wrap=True)
        return
    fair = left * seen_high // max(1, seen_high + fix_high)
    seen = min(max(seen_low, fair, left - fix_high), left - fix_low)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for title, width in (("", STATE), ("Check", names), ("Seen", seen), ("Fix", left - seen)):
        table.add_column(title, width=width)
    for finding in findings:
        state = f"[{COLOURS[finding.state]}]{finding.state}[/]"
        table.add_row(state, finding.name, escape(finding.seen), escape(finding.fix))
    console.print(table)


def _span(texts: Sequence[str]) -> tuple[int, int]:
    """Lengths of the longest word and of the longest text."""
    words = [len(word) for text in texts for word in text.split()]
    return max(words, default=0), max(len(text) for text in texts)


def _paragraph(finding: "Finding", width: int) -> str:
    """Put a finding on lines of its own; only a word that is longer than a line sticks out."""
    said = [f"{finding.state:<{STATE}}{' ' * GAP}{finding.name}: {finding.seen}"]
    said += [f"fix: {finding.fix}"] if finding.fix else []
    indent = " " * (STATE + GAP)
    lines = [
        line
        for number, text in enumerate(said)
        for line in textwrap.wrap(
            text,
            width,
            initial_indent=indent if number else "",
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
    shown = escape("\n".join(lines))
    return f"[{COLOURS[finding.state]}]{finding.state}[/]{shown.removeprefix(finding.state)}"
