"""`kinoloop label`: what a person says of labels, and which videos to look at next."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    from kinoloop.data.tables import Tables

label = typer.Typer(
    name="label",
    help="Say which labels videos have; heads learn from it at the next extract.",
    no_args_is_help=True,
)

FACET = typer.Option("", "--facet", help="topic, style, tag, …; found by the label where it can.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(label)


@label.command("set")
def set_label(
    video_id: str = typer.Argument(help="Of the catalogue."),
    name: str = typer.Argument(metavar="LABEL", help="Of the label file, or one of your own."),
    no: bool = typer.Option(False, "--no", help="The video does not have this label."),
    facet: str = FACET,
) -> None:
    """Say that a video has a label, or that it has not; it stands above what is guessed."""
    from kinoloop.semantics.answers import give_answer

    where = _facet(name, facet)
    give_answer(_tables(), video_id, name, facet=where, holds=not no)
    said = "is not" if no else "is"
    Console().print(
        f"{escape(video_id)} {said} {escape(where)}: {escape(name)}; it counts at the next "
        "`kinoloop extract`",
        highlight=False,
        soft_wrap=True,
    )


@label.command("unset")
def unset_label(
    video_id: str = typer.Argument(help="Of the catalogue."),
    name: str = typer.Argument(metavar="LABEL", help="As it was set."),
    facet: str = FACET,
) -> None:
    """Take back what was said of a label: the video is labelled as if it never had been."""
    from kinoloop.semantics.answers import take_back

    where = _facet(name, facet)
    gone = take_back(_tables(), video_id, name, facet=where)
    what = f"{escape(where)}: {escape(name)} of {escape(video_id)}"
    Console().print(
        f"forgotten: {what}" if gone else f"nobody has said anything of {what}",
        highlight=False,
        soft_wrap=True,
    )


@label.command("list")
def list_labels(
    video_id: str = typer.Argument("", help="Of one video; without it, of all."),
) -> None:
    """Show what was said of labels."""
    import polars as pl

    from kinoloop.semantics.answers import read_answers

    rows = read_answers(_tables())
    if video_id:
        rows = rows.filter(pl.col("video_id") == video_id)
    show(
        Console(),
        ["video", "facet", "label", "holds", "said"],
        [
            [escape(video), escape(facet), escape(name), "yes" if holds else "no", f"{at:%F %H:%M}"]
            for video, facet, name, holds, at in rows.iter_rows()
        ],
        words=(0, 1, 2, 3, 4),
    )


@label.command("next")
def next_videos(
    facet: str = typer.Option("topic", "--facet", help="Of the label file."),
    name: str = typer.Option("", "--label", help="Ask about this label only."),
    count: int = typer.Option(10, "--count", "-n", min=1, max=200, help="How many videos."),
) -> None:
    """Name the videos whose labels are most uncertain, no two of them alike."""
    from kinoloop.environment import Environment
    from kinoloop.semantics.config import SemanticsConfig
    from kinoloop.semantics.next_videos import uncertain_videos
    from kinoloop.settings import read_section
    from tasks.content import vector_spaces

    environment = Environment()
    config = read_section("semantics", SemanticsConfig, environment.settings_file)
    found = uncertain_videos(
        _tables(), config, vector_spaces(environment), facet=facet, label=name, count=count
    )
    console = Console()
    show(
        console,
        ["video", "title", "guess", "probability", "uncertainty"],
        [
            [
                escape(one.video_id),
                escape(one.title),
                escape(one.label),
                f"{one.score:.2f}",
                f"{one.uncertainty:.2f}",
            ]
            for one in found
        ],
        words=(0, 1, 2),
    )
    console.print("then: kinoloop label set VIDEO LABEL, with --no where it does not hold")


def _tables() -> "Tables":
    from kinoloop.data.tables import Tables
    from kinoloop.environment import Environment

    return Tables(Environment().data_dir)


def _facet(name: str, asked: str) -> str:
    from kinoloop.environment import Environment
    from kinoloop.semantics.answers import facet_of
    from kinoloop.semantics.config import SemanticsConfig
    from kinoloop.semantics.label_file import SHIPPED, read_labels
    from kinoloop.settings import read_section

    config = read_section("semantics", SemanticsConfig, Environment().settings_file)
    file = read_labels(Path(config.labels) if config.labels else SHIPPED)
    return facet_of(name, file.facets, asked)
