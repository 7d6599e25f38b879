"""`kinoloop import` and `kinoloop ingest`: from files to validated, versioned tables."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

COUNTS = ("rows", "accepted", "quarantined", "duplicates")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("import")(import_)
    app.command("ingest")(ingest)


def import_(
    importer: str = typer.Argument(
        metavar="FORMAT", help="movielens, microlens, kuairand, kuairec, recbole or tables."
    ),
    path: Path = typer.Argument(help="The unpacked folder."),
    landing: str | None = typer.Option(
        None, help="Landing zone, a folder or fsspec URL; default KINOLOOP_LANDING."
    ),
    map_file: Path | None = typer.Option(
        None, "--map", help="Only for tables: names your columns, see docs/guides/your-data.md."
    ),
    map_columns: str = typer.Option(
        "", help="Only for tables: your columns, such as user=uid,video=clip,time=at."
    ),
    map_events: str = typer.Option(
        "", help="Only for tables: your kinds of event, such as play=view,heart=like,ping=."
    ),
) -> None:
    """Turn a public format, or your own tables, into a landing zone."""
    from kinoloop.environment import Environment
    from kinoloop.errors import ConfigError, DataError
    from kinoloop.ingestion.importers.base import IMPORTERS, Landing
    from kinoloop.ingestion.importers.table_map import Map, columns_of, read_map, with_kinds
    from kinoloop.ingestion.importers.tables import import_tables
    from kinoloop.media.access import remember_folder

    run = IMPORTERS.get(importer)
    flags = {"--map": map_file, "--map-columns": map_columns, "--map-events": map_events}
    given = [flag for flag, value in flags.items() if value]
    if given and importer != "tables":
        raise ConfigError(f"{given[0]} belongs to the importer tables, not to {importer}")
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; name the unpacked folder of {importer}")
    where = landing or Environment().landing
    mapping = with_kinds(read_map(map_file) if map_file else Map(), map_events)
    columns, left_out = columns_of(map_columns), dict[str, int]()
    target = Landing(where, importer, path)
    with Console(stderr=True).status(f"Importing {path} …"):
        if given:
            left_out = import_tables(path, target, mapping=mapping, columns=columns)
        else:
            run(path, target)
    remember_folder(Environment().state_dir, path)
    for value, n in left_out.items():
        Console().print(f"{n:,} events {value!r} left out, as asked", highlight=False, markup=False)
    for warning in target.order.warnings():
        Console(stderr=True, highlight=False).print(f"[yellow]{warning}[/yellow]", soft_wrap=True)
    Console().print(
        f"{target.rows['videos']:,} videos and {target.rows['events']:,} events in {where}; "
        "next: kinoloop ingest, then kinoloop extract and kinoloop retrain",
        highlight=False,
        soft_wrap=True,
    )


def ingest(
    any_volume: bool = typer.Option(
        False, "--any-volume", help="Accept a batch with far fewer rows than those before it."
    ),
) -> None:
    """Validate, commit and version whatever is new in the landing zone.

    Files that break their contract are set aside, each told once; the exit status is 1 then.
    """
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows.ingest import ingest as flow

    done = flow(any_volume=any_volume)
    console = Console(highlight=False)
    for line in done.standing:
        console.print(f"[dim]still aside:[/dim] {escape(line)}", soft_wrap=True)
    if not done.files:
        console.print(f"Nothing new; dataset version {done.dataset_version}.")
        return
    counts = [f"{getattr(done, count):,}" for count in COUNTS]
    show(console, ["", *COUNTS], [[f"{done.files} files", *counts]])
    for rule, count in done.findings.items():
        console.print(f"  {count:>9,}  {rule}")
    for warning in done.warnings:
        console.print(f"  [yellow]{escape(warning)}[/yellow]")
    console.print(f"dataset version {done.dataset_version}", soft_wrap=True)
    console.print(f"validation report {done.data_docs}", soft_wrap=True)
    console.print("next: kinoloop extract, then kinoloop publish (and kinoloop retrain)")
    for line in done.set_aside:
        Console(stderr=True, highlight=False).print(
            f"[red]set aside:[/red] {escape(line)}", soft_wrap=True
        )
    if done.set_aside:
        raise typer.Exit(1)
