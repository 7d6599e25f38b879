"""The page of all verbs of `kinoloop`, from the help that typer prints."""

import re

import typer
from typer.cli import get_docs_for_click

from kinoloop.cli.main import app


def commands() -> str:
    """Every verb with its arguments and options."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="kinoloop")
    text = text.replace("# `kinoloop`", "# Commands", 1)
    text = re.sub(r"(?m)^## `kinoloop ([\w-]+)`$", r"## kinoloop \1 { #\1 }", text)
    without_list = r"(?s)\*\*Commands\*\*:.*?(?=\n## )"  # the side bar has it
    return re.sub(without_list, "", text, count=1)
