"""Arguments of the wrong kind, refused before they end in a missing attribute."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kinoloop.errors import ConfigError, DataError


def expect(value: object, kind: type, what: str) -> None:
    """Refuse a value that is not of a kind.

    Args:
        value: As it was given.
        kind: The class.
        what: What takes it, and where such a thing comes from.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(value, kind):
        got = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ConfigError(f"{what}, got {got}; expected a {kind.__name__}")


def whole(value: object, what: str, *, least: int) -> int:
    """Return a whole number; True is none, one of NumPy is.

    Args:
        value: As it was given.
        what: What it is called in messages.
        least: The smallest that is allowed.

    Raises:
        ConfigError: It is something else, or smaller.
    """
    number = value.item() if isinstance(value, np.integer) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise ConfigError(f"{what} is {value!r}, expected a whole number from {least} up")
    return number


def listed(value: object, what: str) -> list[Any]:
    """Return a list of what was given: any collection but a text.

    Args:
        value: As it was given.
        what: What it is called in messages.

    Raises:
        ConfigError: It is a text, or cannot be gone through.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigError(f"{what} is {value!r}, expected a list")
    return list(value)


def as_path(value: object, what: str) -> Path:
    """Return a path of text or `os.PathLike`.

    Args:
        value: As it was given.
        what: What takes it.

    Raises:
        ConfigError: It is something else, or has a NUL that no file system takes.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or "\0" in path:
        raise ConfigError(f"{what} takes the path of a folder as text or a `Path`, got {value!r}")
    return Path(path)


def id_of(value: object) -> str:
    """Return an id of a user or a video as text, as frames are read.

    Args:
        value: Text or a whole number, of NumPy too.

    Raises:
        DataError: It is something else, such as None.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, str | int) or isinstance(plain, bool):
        raise DataError(f"got {value!r} for an id, expected text or a whole number")
    return str(plain)
