"""Write kinoloop/setting_names.json: the names of all settings, section by section.

    python tools/setting_names.py

Read by kinoloop/settings.py, so that a verb refuses a misspelt setting of a section that it does
not read, without importing the module of that section's config. A test holds the file against the
classes; run this after a setting was added, renamed or removed.
"""

import json
import types
from typing import Any, Union, get_args, get_origin

from kinoloop.settings import NAMES, SECTIONS, Config, config_of


def main() -> None:
    """Write the file."""
    NAMES.write_text(document(), encoding="utf-8")


def document() -> str:
    """Make the text of the file."""
    return json.dumps({name: names_of(config_of(name)) for name in SECTIONS}, indent=1) + "\n"


def names_of(config: type[Config]) -> dict[str, Any]:
    """Names of a config's settings, each with those inside it; None: whatever its reader takes."""
    return {
        name: inner
        for name, field in config.model_fields.items()
        for inner in [_inside(field.annotation)]
    }


def _inside(annotation: Any) -> dict[str, Any] | None:  # noqa: ANN401 (any annotation)
    """Names inside a value: of a config, of a list of one, of any of those that it may be."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return names_of(annotation)
    if get_origin(annotation) in {list, tuple, Union, types.UnionType}:
        found: dict[str, Any] = {}
        for inner in map(_inside, get_args(annotation)):
            found |= inner or {}
        return found or None
    return None


if __name__ == "__main__":
    main()
