"""In which situation a video is shown: the surface, the device, and what else a client knew.

A situation is flat, from a name to a text: `{"surface": "home", "device": "tv", "context.network":
"wifi"}`. What was not said is not there. The same words come from a request and from the log, so
that what is learned from the one is found in the other.
"""

import json
from collections.abc import Mapping
from typing import Any

Situation = Mapping[str, str]

COLUMNS = ("surface", "device", "context")
"""Of the table `events`."""

NOWHERE: Situation = {}
"""Nothing was said."""


def situation_of(
    surface: str | None = None, device: str | None = None, context: Mapping[str, Any] | None = None
) -> Situation:
    """Return the situation of a request.

    Examples:
        >>> situation_of("home", None, {"network": "wifi", "volume": 3.0})
        {'surface': 'home', 'context.network': 'wifi', 'context.volume': '3'}
    """
    known = {"surface": surface, "device": device}
    facts = {name: value for name, value in known.items() if value}
    for name, value in sorted((context or {}).items()):
        facts[f"context.{name}"] = text_of(value)
    return facts


def logged_situation(surface: str | None, device: str | None, context: str | None) -> Situation:
    """Return the situation of an event; what is no JSON object of plain values says nothing."""
    return situation_of(surface, device, _plain(context))


def text_of(value: object) -> str:
    """Write a plain value as the one text that it is compared by.

    Examples:
        >>> text_of(True), text_of(3.0), text_of("3"), text_of(2.5)
        ('true', '3', '3', '2.5')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _plain(context: str | None) -> dict[str, Any]:
    if not context:
        return {}
    try:
        document = json.loads(context)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {k: v for k, v in document.items() if isinstance(v, str | int | float)}
