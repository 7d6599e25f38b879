"""The `kinoloop` command.

Heavy imports live inside the verbs, so that `kinoloop --help` answers at once. A verb module has
one `register(app)`; an error that Kinoloop raises on purpose ends in its message and status 1,
never in a traceback.
"""

import logging
import sys

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from kinoloop import __version__
from kinoloop.cli import (
    data,
    doctor,
    drift,
    evaluate,
    everything,
    label,
    lineage,
    media,
    models,
    review,
    sample,
    serve,
    tokens,
    tune,
    verify,
)
from kinoloop.errors import KinoloopError
from kinoloop.extras import explained

app = typer.Typer(
    name="kinoloop",
    help="Multimodal video recommendation, from raw video and events to a live service.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        Console().print(f"kinoloop {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show what each stage does."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True),  # noqa: ARG001 (eager callback)
) -> None:
    """Options before the verb."""
    handler = RichHandler(console=Console(stderr=True), show_path=False)
    handler.addFilter(_without_traceback if verbose else _not_repeated)
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[handler],
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request of Prefect's client
    if context.invoked_subcommand != "doctor" and "--help" not in sys.argv:  # which tells all of it
        _check_settings()


def _check_settings() -> None:
    """Refuse a misspelt setting in any verb, also in one that reads no or another section."""
    from kinoloop.environment import Environment
    from kinoloop.settings import check_names

    check_names(Environment().settings_file)


VERBS = (
    data,
    doctor,
    drift,
    evaluate,
    everything,
    label,
    lineage,
    media,
    models,
    review,
    sample,
    serve,
    tokens,
    tune,
    verify,
)
for verbs in VERBS:
    verbs.register(app)


_next_steps: list[str] = []  # of the flows that failed, the innermost first


def _not_repeated(record: logging.LogRecord) -> bool:
    """Leave out what the runs log of a failure: the error that ends the command says it."""
    if step := getattr(record, "next_step", None):
        _next_steps.append(step)
        return False
    return not record.name.startswith("prefect.")


def _without_traceback(record: logging.LogRecord) -> bool:
    """Our own errors say what is wrong without the lines of code that they passed through."""
    if record.exc_info and isinstance(record.exc_info[1], KinoloopError):
        record.exc_info = None
        record.exc_text = None
    return True


def main() -> None:
    """Run the command."""
    try:
        with explained("this"):
            app()
    except KinoloopError as err:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[red]error:[/red] {escape(str(err))}")
        if _next_steps:
            console.print(f"[bold]next:[/bold] {escape(_next_steps[0])}")
        sys.exit(1)
