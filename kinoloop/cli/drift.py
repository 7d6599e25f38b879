"""Verbs `drift` and `loop`: does today still look the same, and the whole loop at once."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    from tasks.results import DriftSummary, LoopSummary

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
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows.drift import drift as drift_flow

    found = drift_flow(trigger=trigger)
    console = Console(highlight=False)
    if found.tests:
        show(
            console,
            ["test", "outcome"],
            [[escape(name), f"[{COLOURS[o]}]{o}[/]"] for name, o in found.tests.items()],
        )
    for name, lack in found.lacking.items():
        console.print(f"[dim]{escape(name)}: {escape(lack)}[/]", soft_wrap=True)
    console.print(f"[{_colour(found)}]{escape(found.verdict)}[/]", soft_wrap=True)
    console.print(f"Report: {escape(found.report)}", soft_wrap=True)


def _colour(found: "DriftSummary") -> str:
    if found.fired:
        return COLOURS["fired"]
    judged = set(found.tests.values()) - {"not enough data"}
    return COLOURS["quiet"] if judged else "yellow"


def loop(
    always_retrain: bool = typer.Option(
        False, "--always-retrain", help="Retrain even where no drift was found."
    ),
) -> None:
    """Ingest, extract, look for drift, retrain where it is due, promote what proves better."""
    run_loop(always_retrain=always_retrain)


def run_loop(*, always_retrain: bool) -> "LoopSummary":
    """Run the loop and print what each flow did; returns what the flow returned."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows.loop import loop as loop_flow

    done = loop_flow(always_retrain=always_retrain)
    ingested, retrained, promoted = done.ingest, done.retrain, done.promote
    rows = {
        "ingest": f"{ingested.accepted:,} of {ingested.rows:,} rows accepted, "
        f"{ingested.quarantined:,} quarantined",
        "extract": f"{done.extract.extraction.done:,} videos encoded",
        "drift": f"[{_colour(done.drift)}]{escape(done.drift.verdict)}[/]",
        "retrain": f"{retrained.outcome}: {retrained.candidate}" if retrained else "not due",
        "promote": f"{promoted.outcome}"
        + (f": version {promoted.version}" if promoted.version else ""),
    }
    console = Console(highlight=False)
    show(console, ["flow", "outcome"], list(rows.items()), words=(0, 1))
    for refusal in promoted.refused_by:
        console.print(
            f"version {promoted.version} refused by [red]{escape(refusal)}[/red]",
            soft_wrap=True,
        )
    return done
