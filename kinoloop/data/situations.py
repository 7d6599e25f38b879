"""In which situation a video is shown: the surface, the device, and what else a client knew.

A situation is flat, from a name to a text: `{"surface": "home", "device": "tv", "context.network":
"wifi"}`. What was not said is not there. The same words come from a request and from the log, so
that what is learned from the one is found in the other. A log may hold anything: what is no plain
value within the bounds of a request says nothing.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

Situation = Mapping[str, str]

COLUMNS = ("surface", "device", "context")
"""Of the table `events`."""

MAX_CONTEXT, MAX_CONTEXT_CHARACTERS = 20, 200
"""Names in a context; characters of a name and of a value as text."""

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
    facts = {name: value for name, value in known.items() if value and _is_text(value)}
    for name, value in sorted((context or {}).items()):
        facts[f"context.{name}"] = text_of(value)
    return facts


def logged_situation(surface: str | None, device: str | None, context: str | None) -> Situation:
    """Return the situation of an event; what is no JSON object of plain values says nothing."""
    return situation_of(surface, device, _fitting(_read(context)))


def fits(context: str) -> bool:
    """Whether all of an event's context says something: bounded, plain values by their names.

    Examples:
        >>> fits('{"network": "wifi", "muted": null}'), fits('{"network": ["wifi"]}'), fits("[")
        (True, False, False)
    """
    document = _read(context)
    said = {k: v for k, v in document.items() if v is not None} if document is not None else {}
    return document is not None and len(_fitting(document)) == len(said)


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


def _read(context: str | None) -> dict[str, Any] | None:
    """Read a JSON object; None where it is none, or too deep to be one of plain values."""
    try:
        document = json.loads(context or "{}")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _fitting(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Take the plain values; none of too many."""
    if document is None or len(document) > MAX_CONTEXT:
        return {}
    return {name: value for name, value in document.items() if _is_plain(name, value)}


def _is_plain(name: str, value: object) -> bool:
    if not isinstance(value, str | int | float):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return all(len(t) <= MAX_CONTEXT_CHARACTERS and _is_text(t) for t in (name, text_of(value)))


def _is_text(text: str) -> bool:
    """Whether it is free of half surrogate pairs, which JSON can say and no file can hold."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
