"""Arguments of the wrong kind, refused before they end in a missing attribute."""

from kinoloop.errors import ConfigError


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
