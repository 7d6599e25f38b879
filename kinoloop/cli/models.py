"""`kinoloop retrain`, `promote`, `rollback` and `bento`: from candidates to champion and back."""

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("retrain")(retrain)
    app.command("promote")(promote)
    app.command("publish")(publish)
    app.command("rollback")(rollback)
    app.command("bento")(bento)


def retrain(
    force: bool = typer.Option(False, "--force", help="Train even where nothing changed."),
) -> None:
    """Train every candidate on the same split; the best one becomes the challenger."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows import retrain as flow
        from kinoloop.evaluation.baseline import popularity_warning

    done = flow.retrain(force=force)
    console = Console(highlight=False)
    if done.outcome == "nothing new":
        console.print(
            f"Nothing new: version {done.version} ({done.candidate}) was made of this data "
            "with these settings; --force trains again."
        )
        _print_refusals(console, done.version, done.refused_by)
        return
    ranked = sorted(done.competed.items(), key=lambda row: -row[1]["validation"])
    show(
        console,
        ["candidate", "validation ndcg@10", "test ndcg@10"],
        [
            [
                f"[bold]{escape(name)}[/bold]" if name == done.candidate else escape(name),
                f"{measured['validation']:.4f}",
                f"{measured['test']:.4f}",
            ]
            for name, measured in ranked
        ],
    )
    if ranker := done.ranker:
        console.print(
            f"ranker: AUC {ranker['test/auc']:.3f}, ECE {ranker['test/ece']:.3f}; the winner's "
            f"slates re-ranked: test ndcg@10 {ranker['slates/ndcg@10']:.4f}, "
            f"without {ranker['slates/ndcg@10_without']:.4f}"
        )
    tests = {name: measured["test"] for name, measured in done.competed.items()}
    if warning := popularity_warning(done.candidate, tests):
        console.print(f"[yellow]{escape(warning)}[/yellow]", soft_wrap=True)
    for name, why in done.failed.items():
        console.print(f"[red]{name} failed:[/red] {escape(why)}")
    if not done.version:
        console.print(
            f"{done.candidate} won and is kept: [yellow]{escape(done.away)}[/yellow]\n"
            "next: kinoloop retrain, when MLflow is there; nothing is trained again"
        )
        return
    console.print(
        f"version {done.version} ({done.candidate}) is registered; next: kinoloop promote"
    )


def promote(
    force: bool = typer.Option(False, "--force", help="Decide again even where nothing changed."),
) -> None:
    """Weigh the challenger against the champion and promote it if it passes the gates."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows import promote as flow

    done = flow.promote(force=force)
    console = Console(highlight=False)
    if done.decision is None:
        console.print(
            "Nothing to do: no challenger waits; kinoloop retrain makes one."
            if done.version is None
            else f"Nothing to do: version {done.version} was refused on the same evidence; "
            "--force weighs again."
        )
        _print_refusals(console, done.version, done.refused_by)
        return
    decision = done.decision
    show(
        console,
        ["gate", "", "measured", "required"],
        [
            [
                escape(gate.name),
                "[green]passed[/green]" if gate.passed else "[red]failed[/red]",
                escape(gate.measured),
                escape(gate.required),
            ]
            for gate in decision.gates
        ],
        words=(0, 2, 3),
    )
    for note in decision.notes:
        console.print(f"[yellow]{escape(note)}[/yellow]")
    _print_refusals(console, done.version, done.refused_by)
    verdict = "is champion" if decision.promoted else "stays challenger"
    console.print(f"version {done.version} ({decision.challenger.name}) {verdict}")
    if done.refresh:
        stays = "" if done.refreshed else "; the proven version serves on"
        console.print(f"refresh: {escape(done.refresh)}{stays}", soft_wrap=True)


def _print_refusals(console: Console, version: str | None, refusals: list[str]) -> None:
    for refusal in refusals:
        console.print(f"version {version} refused by [red]{escape(refusal)}[/red]", soft_wrap=True)


def publish() -> None:
    """Bring new, corrected and withdrawn videos into service, without a retrain."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows import publish as flow

    done, console = flow.publish(), Console(highlight=False)
    if done.outcome == "no model":
        console.print("There is no model to publish for; next: kinoloop retrain")
    elif not done.published:
        console.print("Nothing to publish: the model in service knows the catalogue as it is.")
    for one in done.published:
        console.print(
            f"catalogue version {one.number} of model version {one.model_version}: {one.videos:,} "
            f"videos, {one.new:,} new, {one.changed:,} changed, {one.withdrawn:,} withdrawn "
            f"({one.seconds:.1f} s)"
        )


def rollback() -> None:
    """Restore the champion that served before; a second rollback undoes the first."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows import rollback as flow

    done = flow.rollback()
    Console(highlight=False).print(
        f"version {done.version} is champion again, in place of version {done.replaced}"
    )


def bento() -> None:
    """Build a Bento of the champion: service and release in one folder that runs anywhere."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows import bento as flow

    folder = flow.bento()
    Console(highlight=False).print(
        f"{folder}\nnext: bentoml serve {folder}, or bentoml containerize", soft_wrap=True
    )
