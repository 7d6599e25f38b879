"""One file, one class, one decorator: how encoders, recommenders and importers are found."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from kinoloop.errors import ConfigError

T = TypeVar("T")


class Plugins(Generic[T]):
    """Named implementations of one interface, each in its own module of one package.

    Args:
        package: Dotted name of the package whose modules register themselves when imported.
        noun: What one implementation is called in messages.
    """

    def __init__(self, package: str, noun: str) -> None:
        self.package, self.noun = package, noun
        self._found: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated class or function under `name`."""

        def keep(thing: T) -> T:
            self._found[name] = thing
            return thing

        return keep

    def get(self, name: str) -> T:
        """Find an implementation.

        Raises:
            ConfigError: There is none of that name.
        """
        self._discover()
        if name not in self._found:
            known = ", ".join(self.names())
            raise ConfigError(f"no {self.noun} is called {name!r}; there are {known}")
        return self._found[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._discover()
        return sorted(self._found)

    def _discover(self) -> None:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
