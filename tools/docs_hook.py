"""Hook of mkdocs.yml: adds the pages that follow from the code, and lets nothing remote in.

What can be read off the code (classes, settings, verbs, routes) is not written by hand. A page of
`GENERATED` is made again by each build and is in no folder of the repository.
"""

import re
from collections.abc import Callable
from pathlib import Path

from docs_commands import commands
from docs_http_api import http_api
from docs_reference import (
    client,
    drift_tests,
    encoders,
    errors,
    importers,
    interfaces,
    library,
    metrics,
    recommenders,
)
from docs_settings import environment, settings
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
REMOTE = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)\b[^>]*(?:https?:)?//"""
)
"""What a browser would fetch from another host by itself."""

PLACE = re.compile(r"(?<![\w/>-])docs/([\w/-]+)\.md")
"""A page, as a docstring names it."""


def changelog() -> str:
    """CHANGELOG.md, with its links as the site has them."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")


GENERATED: dict[str, Callable[[], str]] = {
    "changelog.md": changelog,
    "reference/client.md": client,
    "reference/commands.md": commands,
    "reference/drift-tests.md": drift_tests,
    "reference/encoders.md": encoders,
    "reference/environment.md": environment,
    "reference/errors.md": errors,
    "reference/http-api.md": http_api,
    "reference/importers.md": importers,
    "reference/interfaces.md": interfaces,
    "reference/library.md": library,
    "reference/metrics.md": metrics,
    "reference/recommenders.md": recommenders,
    "reference/settings.md": settings,
}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 (MkDocs calls by these names)
    """Link the pages that docstrings name."""
    if page.file.src_uri not in GENERATED:
        return html

    def link(place: re.Match[str]) -> str:
        file = files.get_file_from_path(f"{place[1]}.md")
        if file is None or file.page is None:
            raise PluginError(f"{page} names {place[0]}, which is no page")
        return f'<a href="{file.url_relative_to(page.file)}">{file.page.title}</a>'

    return PLACE.sub(link, html)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 (MkDocs calls by these names)
    """Refuse a page that would load something from another host.

    Raises:
        PluginError: It would.
    """
    if found := REMOTE.search(output):
        raise PluginError(f"{page} loads from another host: {found[0]!r}; keep a copy in docs/")
    return output
