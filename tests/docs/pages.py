"""Pages of docs/ whose examples are run as they stand there."""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kinoloop.plugins import Plugins

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"(?ms)^(?:<!-- not run: ([^\n]+) -->\n)?( *)```(\w+)\n(.*?)^ *```$")


FIRST_PARTY = ("--config", 'lint.isort.known-first-party = ["kinoloop"]')
"""The file of an example is not there, and ruff would take its package for another's."""


@dataclass(frozen=True)
class Block:
    """An example of a page.

    Attributes:
        page: Below docs/.
        line: Where it stands there.
        language: As its fence says.
        code: The example.
        why_not_run: What the comment `<!-- not run: … -->` above it says; "" where there is none.
    """

    page: str
    line: int
    language: str
    code: str
    why_not_run: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()
    return [
        Block(name, text.count("\n", 0, found.start(3)) + 1, found[3], found[4], found[1] or "")
        for found in FENCE.finditer(text)
    ]


class Page:
    """A page with the file of a plugin, its test, and settings that name it.

    Args:
        name: Of the page.
        plugins: Where its class registers itself.
        kind: Under which name.
    """

    def __init__(self, name: str, plugins: Plugins, kind: str) -> None:
        self.text = (DOCS / name).read_text(encoding="utf-8")
        self._plugins, self._kind = plugins, kind
        self._blocks = blocks_of(DOCS / name)
        self.file, self.test = (block.code for block in self._blocks if block.language == "python")
        module = ModuleType(f"{plugins.package}.{kind}")
        sys.modules[module.__name__] = module  # as if the file were where the page puts it
        exec(compile(self.file, name, "exec"), vars(module))
        self.names: dict[str, Any] = {"__name__": f"test_{kind}"}
        exec(compile(self.test, name, "exec"), self.names)
        self._plugin = plugins._found.pop(kind)  # other tests do not know it

    @property
    def settings(self) -> dict[str, Any]:
        (toml,) = (block.code for block in self._blocks if block.language == "toml")
        return tomllib.loads(toml)

    @property
    def module(self) -> str:
        """Where the page puts the file, below the root of the repository."""
        return f"{self._plugins.package.replace('.', '/')}/{self._kind}.py"

    def registered(self):
        """A fixture: the plugin is there while the tests of a module run."""

        @pytest.fixture(scope="module", autouse=True)
        def fixture():
            self._plugins.register(self._kind)(self._plugin)
            yield
            self._plugins._found.pop(self._kind)

        return fixture


def complaints(code: str, file: str, folder: Path) -> str:
    """What the project's own lint, format and types say of an example; "" where nothing.

    Args:
        code: The example.
        file: Where the page puts it, which decides on the rules.
        folder: For what mypy reads.
    """
    copied = folder / Path(file).name
    copied.write_text(code, encoding="utf-8")
    commands = [
        ("ruff", "check", "--quiet", *FIRST_PARTY, "--stdin-filename", file, "-"),
        ("ruff", "format", "--check", "--quiet", "--stdin-filename", file, "-"),
    ]
    if not file.startswith("tests/"):  # as in pyproject.toml
        commands.append(("mypy", "--no-error-summary", str(copied)))
    said = [
        subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            input=code,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in commands
    ]
    return "".join(done.stdout + done.stderr for done in said if done.returncode)
