"""Label files: facets, their labels and phrases that describe them, in TOML for anybody to edit."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.errors import ConfigError

SHIPPED = Path(__file__).parent / "labels.toml"


@dataclass(frozen=True)
class Facet:
    """One question about a video, such as its topic.

    Attributes:
        name: Of the facet.
        labels: Phrases by label, in order of the file.
        none: Phrases of a text that does not answer the question.
        many: Whether several labels can hold at once.
    """

    name: str
    labels: dict[str, tuple[str, ...]]
    none: tuple[str, ...]
    many: bool


@dataclass(frozen=True)
class LabelFile:
    """All facets, and a digest that changes with any word of them."""

    facets: tuple[Facet, ...]
    digest: str


def read_labels(path: Path = SHIPPED) -> LabelFile:
    """Read a label file.

    Raises:
        ConfigError: It is missing, is not TOML, or a facet is not made of labels with phrases.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"label file {path} cannot be read: {err}; see [semantics]") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"label file {path} is not valid TOML: {err}") from err
    if not document:
        raise ConfigError(f"label file {path} has no facet; write one such as [topic.labels]")
    facets = tuple(_facet(path, name, section) for name, section in document.items())
    return LabelFile(facets, fingerprint(document))


def _facet(path: Path, name: str, section: object) -> Facet:
    known = {"labels", "none", "many"}
    if not isinstance(section, dict) or not section.get("labels") or set(section) - known:
        raise ConfigError(
            f"label file {path}: facet {name!r} must have `labels` and may have `none` and "
            f"`many`, got {_shown(section)}"
        )
    labels = {
        label: _phrases(path, name, label, texts) for label, texts in section["labels"].items()
    }
    none = _phrases(path, name, "none", section.get("none", ["a video"]))
    return Facet(name, labels, none, many=bool(section.get("many", False)))


def _phrases(path: Path, facet: str, label: str, listed: object) -> tuple[str, ...]:
    if (
        not isinstance(listed, list)
        or not listed
        or not all(isinstance(p, str) and p for p in listed)
    ):
        raise ConfigError(
            f"label file {path}: {facet}.{label} must be a list of phrases, got {listed!r}"
        )
    return tuple(listed)


def _shown(section: Any) -> str:  # noqa: ANN401 (whatever the file holds)
    return ", ".join(map(str, section)) if isinstance(section, dict) else repr(section)
