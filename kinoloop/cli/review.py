"""`kinoloop review`: which videos wait for a person, what people decided, and every removal."""

import getpass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    import polars as pl

    from kinoloop.data.tables import Tables
    from kinoloop.safety.review import Decision

EFFECT = "takes effect with the next catalogue version: kinoloop publish"

review = typer.Typer(
    name="review",
    help="Decide on videos that may be harmful, and read what was removed and why.",
    no_args_is_help=True,
)
VIDEOS = typer.Argument(metavar="VIDEO…", help="Ids of videos.")
BY = typer.Option("", "--by", help="Who decides; default: the user of this machine.")
WHY = typer.Option("", "--why", help="Why, for whoever reads the log.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(review)


@review.command("list")
def list_(
    all_: bool = typer.Option(False, "--all", help="Also what is hidden or only marked."),
) -> None:
    """Show which videos wait for a person, surest first."""
    from kinoloop.safety.review import waiting

    wanted = ("waiting", "hidden", "marked") if all_ else ("waiting",)
    found = waiting(_tables(), wanted)
    console = Console(highlight=False)
    if found.is_empty():
        console.print("No video waits for a person." if not all_ else "No video is withheld.")
        return
    show(
        console,
        ["video", "title", "stands", "because"],
        [_listed(row) for row in _rows(found)],
        words=(0, 1, 3),
    )
    console.print("decide: kinoloop review approve|reject VIDEO --why …", soft_wrap=True)


@review.command()
def approve(videos: list[str] = VIDEOS, by: str = BY, why: str = WHY) -> None:
    """Show videos, whatever their scores say."""
    _decide(videos, "shown", by, why)


@review.command()
def reject(videos: list[str] = VIDEOS, by: str = BY, why: str = WHY) -> None:
    """Hide videos, whatever their scores say; what shows the same waits for a person."""
    _decide(videos, "hidden", by, why)


@review.command()
def undo(videos: list[str] = VIDEOS, by: str = BY, why: str = WHY) -> None:
    """Take a decision back: the scores count again."""
    _decide(videos, "undone", by, why)


@review.command()
def log(
    limit: int = typer.Option(50, "--limit", min=1, help="Newest entries at most."),
) -> None:
    """Show every change of what may be shown, newest first: by scores and by people."""
    from kinoloop.safety.review import history

    found = history(_tables(), limit=limit)
    console = Console(highlight=False)
    if found.is_empty():
        console.print("Nothing was ever marked, withheld or decided.")
        return
    lines = [
        [
            f"{row['at']:%Y-%m-%d %H:%M}",
            escape(row["video_id"]),
            escape(row["title"] or ""),
            row["outcome"],
            escape(row["by"]) or "scores",
            escape(row["why"]) or _because(row),
        ]
        for row in _rows(found)
    ]
    show(console, ["when (UTC)", "video", "title", "now", "by", "why"], lines, words=(1, 2, 5))


def _decide(videos: list[str], decision: "Decision", by: str, why: str) -> None:
    from kinoloop.safety.review import decide

    decide(_tables(), videos, decision, by=by or _user(), why=why)
    console = Console(highlight=False)
    console.print(f"{len(videos)} videos: {decision}; {EFFECT}", soft_wrap=True)


def _user() -> str:
    """Name of who runs this; "" where the machine does not know."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError before Python 3.13
        return ""


def _tables() -> "Tables":
    from kinoloop.data.tables import Tables
    from kinoloop.environment import Environment

    return Tables(Environment().data_dir)


def _rows(found: "pl.DataFrame") -> list[dict[str, Any]]:
    return found.to_dicts()


def _listed(row: dict[str, Any]) -> list[str]:
    return [escape(row["video_id"]), escape(row["title"] or ""), row["outcome"], _because(row)]


def _because(row: dict[str, Any]) -> str:
    """Say what a score rests on, such as `hate .83, title: "…"`."""
    if row["by"]:
        return escape(f"{row['by']}: {row['why']}" if row["why"] else row["by"])
    if row["score"] is None:
        return escape(row["evidence"])
    at = "" if row["start_s"] is None else f" at {float(row['start_s']):.0f} s"
    return escape(
        f"{row['kind']} {float(row['score']):.2f}, {row['source']}{at}: {row['evidence']}"
    )
