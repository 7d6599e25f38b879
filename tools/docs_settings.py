"""The pages of settings and of environment variables, from kinoloop.toml and `Environment`."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from kinoloop.environment import Environment

SETTINGS = Path(__file__).resolve().parents[1] / "kinoloop.toml"
INTRO = """# Settings

`kinoloop.toml` in the working directory, or the file that `KINOLOOP_SETTINGS_FILE` names, holds
what is tuned. A missing key means the default, an unknown one is an error; `kinoloop doctor` checks
the file. The settings of single [recommenders](recommenders.md), [encoders](encoders.md) and
[drift tests](drift-tests.md) stand on their own pages.
"""
TITLE = re.compile(r"^\[(\[?)([\w.]+)\]\]?(?: # (.*))?$")
LINE = re.compile(r"^(# )?(\w+) = (.*?)(?: # (.*))?$")
HEAD = "\n| setting | default | |\n|---|---|---|\n"


def settings() -> str:
    """Every section of kinoloop.toml with its keys, defaults and reasons."""
    parts = [INTRO]
    lines = iter(SETTINGS.read_text(encoding="utf-8").splitlines())
    entries: list[tuple[str, str, str]] = []
    section, listed = "", False
    for line in lines:
        if title := TITLE.match(line):
            many, name, why = title[1], title[2], title[3] or ""
            if not many or name != section:
                parts += [_table(entries), f"\n## [{name}] {{ #{name.replace('.', '-')} }}\n"]
                parts.append(f"\n{_sentence(why)}\n")
                entries = []
            section, listed = name, bool(many)
        elif pair := LINE.match(line):
            off, key, value, why = pair[1], pair[2], pair[3], pair[4] or ""
            if value == "[":
                value, why = _several(lines), pair[4] or ""
            if off:
                value = "unset"
            if listed:
                key, value = f"{key} = {value}", ""
            entries.append((key, value, why))
    parts.append(_table(entries))
    return "".join(parts)


def environment() -> str:
    """Every `KINOLOOP_…` variable with its default."""
    parts = [
        "# Environment\n\nFacts of the machine are variables; they win over nothing and are in no "
        "file of the repository. Tuning is in [kinoloop.toml](settings.md).\n",
        "\n| variable | default | |\n|---|---|---|\n",
    ]
    for name, field in Environment.model_fields.items():
        default = field.default
        shown = "" if default is None or isinstance(default, SecretStr) else f"`{default}`"
        parts.append(
            f"| `KINOLOOP_{name.upper()}` | {shown if default != '' else ''} "
            f"| {cell(field.description or '')} |\n"
        )
    return "".join(parts)


def cell(text: str) -> str:
    """Text of a table cell."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _table(entries: list[tuple[str, str, str]]) -> str:
    if not entries:
        return ""
    rows = [f"| `{key}` | {_code(value)} | {cell(why)} |\n" for key, value, why in entries]
    return HEAD + "".join(rows)


def _code(value: str) -> str:
    if not value or value == "unset":
        return value
    return "<br>".join(f"`{line}`" for line in value.split("\n"))


def _several(lines: Iterator[str]) -> str:
    entries = itertools.takewhile(lambda line: line != "]", lines)
    return "\n".join(line.strip().rstrip(",") for line in entries)


def _sentence(why: str) -> str:
    return cell(f"{why[:1].upper()}{why[1:]}.") if why else ""
