"""Pages of docs/ whose examples are run as they stand there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kinoloop.plugins import Plugins

DOCS = Path(__file__).parents[2] / "docs"


class Page:
    """A page with the file of a plugin, its test, and settings that name it.

    Args:
        name: Of the page.
        plugins: Where its class registers itself.
        kind: Under which name.
    """

    def __init__(self, name: str, plugins: Plugins, kind: str) -> None:
        self.text = (DOCS / name).read_text(encoding="utf-8")
        self.names: dict[str, Any] = {"__name__": kind}
        self._plugins, self._kind = plugins, kind
        self._blocks = re.findall(r"```(\w+)\n(.*?)```", self.text, flags=re.DOTALL)
        for code in self._all("python"):
            exec(compile(code, name, "exec"), self.names)
        self._plugin = plugins._found.pop(kind)  # other tests do not know it

    @property
    def settings(self) -> dict[str, Any]:
        (toml,) = self._all("toml")
        return tomllib.loads(toml)

    def registered(self):
        """A fixture: the plugin is there while the tests of a module run."""

        @pytest.fixture(scope="module", autouse=True)
        def fixture():
            self._plugins.register(self._kind)(self._plugin)
            yield
            self._plugins._found.pop(self._kind)

        return fixture

    def _all(self, language):
        return [code for found, code in self._blocks if found == language]
