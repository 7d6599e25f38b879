"""`kinoloop sample`: make the sample dataset."""

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("sample")(sample)


def sample(
    out: Path = typer.Argument(help="A new folder, such as data/sample."),
    seed: int | None = typer.Option(None, help="Of everything random; default as pinned."),
    videos: int | None = typer.Option(None, help="How many clips; default as pinned."),
    users: int | None = typer.Option(None, help="How many simulated users; default as pinned."),
) -> None:
    """Make the sample dataset: clips, catalogue and events by code, the same for the same seed.

    Catalogue and events are equal on every machine; the bytes of the encoded clips depend on the
    build of the codecs.
    """
    from kinoloop.environment import Environment
    from kinoloop.media.access import remember_folder
    from kinoloop.sample import SampleConfig, write_sample

    given = {"seed": seed, "videos": videos, "users": users}
    config = SampleConfig.model_validate({k: v for k, v in given.items() if v is not None})
    with Progress(transient=True) as bar:
        task = bar.add_task("Encoding clips")
        world = write_sample(
            out, config, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    remember_folder(Environment().state_dir, out)
    Console().print(f"{len(world.videos)} clips, {len(world.user_ids)} users in {out}")
