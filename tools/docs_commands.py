"""The page of all verbs of `kinoloop`, from the help that typer prints."""

import re

import typer
from typer.cli import get_docs_for_click

from kinoloop.cli.main import app

PLACES = re.compile(r"docs/([\w/-]+)\.md")


def commands() -> str:
    """Every verb with its arguments and options."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="kinoloop")
    text = text.replace("# `kinoloop`", "# Commands", 1)
    text = re.sub(r"(?m)^## `kinoloop ([\w-]+)`$", r"## kinoloop \1 { #\1 }", text)
    text = re.sub(
        r"(?s)\*\*Commands\*\*:.*?(?=\n## )", "", text, count=1
    )  # the side bar lists them
    return PLACES.sub(r"[\1](../\1.md)", text)
