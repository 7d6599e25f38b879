"""`kinoloop up` and `kinoloop demo`: the verbs that start all servers.

What they do is in `stack.py` and `demo.py`, which take as long to load as all of `--help`.
"""

import typer


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("demo")(demo)
    app.command("up")(up)


def demo(
    once: bool = typer.Option(
        False, "--once", envvar="ONCE", help="Stop everything after the slates are shown."
    ),
) -> None:
    """Run the whole loop on the sample dataset and show recommendations.

    Pulls the sample, ingests its history, lets a new batch arrive, runs the loop on it (ingest,
    extract, publish, drift, retrain, promote), starts the service, asks it for slates, and lets an
    upload arrive that is in a slate without another training.
    """
    from kinoloop.cli.demo import show_the_loop

    show_the_loop(once=once)


def up() -> None:
    """Start Prefect server and worker, MLflow and the service; Ctrl-C stops them all.

    Deploys every flow of prefect.yaml, so that schedules run from then on.
    """
    from kinoloop.cli.stack import run_all

    run_all()
