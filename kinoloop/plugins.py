"""One file, one class, one decorator: how encoders, recommenders and importers are found.

Two kinds of files are looked at: the modules of a package of ours, and what other installed
packages name in an entry point, such as

    [project.entry-points."kinoloop.recommenders"]
    category_taste = "my_package.category_taste"

Importing that module registers the name, by the same decorator as ours. It is imported when the
name is asked for, and not before: a package that is broken breaks nothing but itself.
"""

import importlib
import pkgutil
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from kinoloop.errors import ConfigError

T = TypeVar("T")


class Plugins(Generic[T]):
    """Named implementations of one interface, each in its own module.

    Args:
        package: Dotted name of the package whose modules register themselves when imported.
        noun: What one implementation is called in messages.
        group: Group of entry points under which other packages name theirs; "" is none.
        base: What every implementation derives from, with a `Config`; None where they are no
            classes.
    """

    def __init__(
        self, package: str, noun: str, *, group: str = "", base: type | None = None
    ) -> None:
        self.package, self.noun, self.group, self.base = package, noun, group, base
        self._found: dict[str, T] = {}
        self._homes: dict[str, str] = {}

    def register(self, name: str, *, home: object = None) -> Callable[[T], T]:
        """Register the decorated class or function under `name`.

        Args:
            name: As settings call it.
            home: What was written down, where the registered object is made from it.

        Raises:
            ConfigError: Something else has that name, or a class does not do what it must.
        """

        def keep(thing: T) -> T:
            here = _home(thing if home is None else home)
            lack = "" if self.base is None else _lack(thing, self.base)
            if lack:
                raise ConfigError(f"{self.noun} {name!r}: {here} {lack}")
            if name in self._found and self._homes.get(name, here) != here:
                raise ConfigError(
                    f"two {self.noun}s are called {name!r}: {self._homes[name]} and {here}; "
                    "rename one"
                )
            self._found[name], self._homes[name] = thing, here
            return thing

        return keep

    def get(self, name: str) -> T:
        """Find an implementation, and import the package that brings it.

        Raises:
            ConfigError: There is none of that name, two packages bring one, or the one that does
                cannot be imported.
        """
        self._discover()
        if not isinstance(name, str):
            raise ConfigError(
                f"no {self.noun} is called {name!r}; there are {', '.join(self.names())}"
            )
        brought = _installed(self.group).get(name, ())
        ours = name in self._found and self._homes.get(name, "").startswith(f"{self.package}.")
        if len(brought) + ours > 1:
            owners = [*(["kinoloop"] if ours else []), *sorted(map(_owner, brought))]
            raise ConfigError(
                f"{len(owners)} packages bring a {self.noun} called {name!r}: "
                f"{', '.join(owners)}; uninstall all but one of them"
            )
        if name not in self._found and brought:
            self._import(name, brought[0])
        if name not in self._found:
            known = self.names()
            near = get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ConfigError(
                f"no {self.noun} is called {name!r}; {hint}there are {', '.join(known)}"
            )
        return self._found[name]

    def names(self) -> list[str]:
        """All names, sorted; those of other packages too, which are not imported for it."""
        self._discover()
        return sorted({*self._found, *_installed(self.group)})

    def _discover(self) -> None:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")

    def _import(self, name: str, point: EntryPoint) -> None:
        what = f"{self.noun} {name!r} of {_owner(point)} ({point.value})"
        try:
            point.load()
        except (Exception, SystemExit) as err:  # code of others may raise anything
            raise ConfigError(
                f"{what} cannot be imported: {type(err).__name__}: {err}; fix that package, or "
                "uninstall it"
            ) from err
        if name not in self._found:
            raise ConfigError(
                f"{what} registers nothing under that name when it is imported; decorate it, see "
                "docs/library.md"
            )


def _lack(thing: object, base: type) -> str:
    """Say what keeps a class from being built as `base`; "" where nothing does."""
    if not isinstance(thing, type) or not issubclass(thing, base):
        return f"does not derive from {base.__name__}; make that its base class"
    lacking = sorted(getattr(thing, "__abstractmethods__", ()))
    if not hasattr(thing, "Config"):
        lacking.insert(0, "Config")
    return f"lacks {', '.join(lacking)}; write what is missing" if lacking else ""


@cache
def _installed(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Find what installed packages name in a group, by name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group) if group else ():
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def _owner(point: EntryPoint) -> str:
    """Name and version of the package that brings an entry point."""
    return "a package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _home(thing: object) -> str:
    """Where a class or function was written; its value for anything else."""
    name = getattr(thing, "__qualname__", None)
    return repr(thing) if name is None else f"{getattr(thing, '__module__', '')}.{name}"
