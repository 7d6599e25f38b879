"""Settings: `kinoloop.toml`, read once at the edge into the config that lives beside each class.

The file names every setting with its default and one line why; a test holds the two together. A
missing file, section or key means the default; an unknown one is an error.
"""

import importlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from kinoloop.errors import ConfigError

SECTIONS: Final[dict[str, str]] = {
    "ingest": "kinoloop.ingestion.rule:IngestConfig",
    "interest": "kinoloop.data.interest:InterestConfig",
    "extract": "kinoloop.extraction.config:ExtractConfig",
    "fusion": "kinoloop.training.contrastive:FusionSettings",
    "retrain": "kinoloop.training.model_selection:RetrainConfig",
    "ranker": "kinoloop.ranking.config:RankerConfig",
    "promote": "kinoloop.promotion.gates:PromoteConfig",
    "drift": "kinoloop.drift.detect:DriftConfig",
    "retrieval": "kinoloop.retrieval.config:RetrievalConfig",
    "serving": "serving.config:ServingConfig",
    "policy": "kinoloop.policy.config:PolicyConfig",
    "semantics": "kinoloop.semantics.config:SemanticsConfig",
    "duplicates": "kinoloop.duplicates.config:DuplicatesConfig",
    "safety": "kinoloop.safety.config:SafetyConfig",
    "alerts": "kinoloop.alerts.config:AlertsConfig",
}
"""Module and class of each section's config, imported only when all of them are asked for; a test
holds every caller of `read_section` against it."""

NAMES: Final = Path(__file__).with_name("setting_names.json")
"""Names of the settings of all sections, which tools/setting_names.py reads from the classes."""


class FrozenRecord(BaseModel):
    """Base of what is written down, such as outcomes and decisions: frozen, unknown keys refused.

    What could not be measured is NaN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Config(FrozenRecord):
    """Base of every config: a number is finite; no setting means infinity or "not a number"."""

    model_config = ConfigDict(allow_inf_nan=False)


class NumbersConfig(Config):
    """Base of configs whose numbers are neither true nor false."""

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        if _true_for_a_number(cls, info.field_name or "", value):
            raise PydanticCustomError("number_expected", NO_NUMBER)
        return value


NO_NUMBER = "Input should be a number"


def _true_for_a_number(config: type[Config], name: str, value: object) -> bool:
    """Whether a setting that is a number is given as true or false, which pydantic takes as 1."""
    if not isinstance(value, bool) or name not in config.model_fields:
        return False
    kinds = set(_kinds(config.model_fields[name].annotation))
    return bool not in kinds and not kinds.isdisjoint((int, float))


def _kinds(annotation: object) -> Iterator[object]:
    """Types that a value may have, or the values in a list of it."""
    parts = get_args(annotation)
    yield from (kind for part in parts for kind in _kinds(part)) if parts else (annotation,)


def _true_numbers(config: type[Config], settings: dict[str, Any], where: str) -> Iterator[str]:
    """Names of the numbers that are true or false, however deep they stand."""
    for name, setting in settings.items():
        for value in setting if isinstance(setting, list) else [setting]:
            if _true_for_a_number(config, name, value):
                yield f"{where}.{name}: {NO_NUMBER}, got {value}"
            if not isinstance(value, dict) or name not in config.model_fields:
                continue
            for inner in _kinds(config.model_fields[name].annotation):
                if isinstance(inner, type) and issubclass(inner, Config) and _is_of(inner, value):
                    yield from _true_numbers(inner, value, f"{where}.{name}")


def _is_of(config: type[Config], settings: dict[str, Any]) -> bool:
    kind = config.model_fields.get("kind")
    return kind is None or settings.get("kind", kind.default) == kind.default


ConfigT = TypeVar("ConfigT", bound=Config)


def read_section(name: str, config_type: type[ConfigT], path: Path) -> ConfigT:
    """Read one section of the settings file.

    Args:
        name: One of `SECTIONS`.
        config_type: The config that the section fills.
        path: The settings file; it may be missing.

    Returns:
        The checked config; defaults where the file is silent.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or names a section or key that does not
            exist, here or in another section, or a number is true or false.
    """
    document = _read(path)
    section = document.get(name, {})
    _refuse_unknown({name: section}, path)
    for fault in _true_numbers(config_type, section, name) if isinstance(section, dict) else ():
        raise ConfigError(f"{path}: {fault}")
    try:
        config = config_type.model_validate(section)
    except ValidationError as err:
        raise ConfigError(f"{path}: {first_fault(err, name)}") from err
    _refuse_unknown(document, path)  # what is wrong elsewhere comes second
    return config


def check_names(path: Path) -> None:
    """Raise unless every section and setting of the settings file exists.

    Args:
        path: The settings file; it may be missing.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or names what does not exist.
    """
    _refuse_unknown(_read(path), path)


def config_of(section: str) -> type[Config]:
    """Return the config that a section fills; import its module.

    Args:
        section: One of `SECTIONS`.
    """
    module, _, name = SECTIONS[section].partition(":")
    config_type: type[Config] = getattr(importlib.import_module(module), name)
    return config_type


def first_fault(err: ValidationError, *within: str) -> str:
    """Where the first fault is, what it is, and what was there, on one line.

    Args:
        err: What pydantic raised.
        within: What the config is part of, such as a section.
    """
    first = err.errors()[0]
    where = ".".join([*within, *(str(part) for part in first["loc"])])
    return f"{where}: {first['msg']}, got {first['input']!r}"


def fault_of(err: ValidationError, config: type[Config]) -> str:
    """`first_fault`; of a setting that the config does not have, with those that it has."""
    first = err.errors()[0]
    if first["type"] != "extra_forbidden" or len(first["loc"]) > 1:
        return first_fault(err)
    return _no_setting(str(first["loc"][0]), set(config.model_fields) - {"kind"})


def _no_setting(name: str, known: Iterable[str], *, within: str = "") -> str:
    """Say that there is no such setting, and which there are."""
    there = sorted(known)
    near = get_close_matches(name, there, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no setting {within + name!r}; {hint}there are {', '.join(there)}"


def _unknown(settings: object, known: dict[str, Any], within: str) -> Iterator[str]:
    """Say of each setting that does not exist, however deep it stands, which there are."""
    for one in settings if isinstance(settings, list) else [settings]:
        for name, value in one.items() if isinstance(one, dict) else ():
            if name not in known:
                yield _no_setting(name, known, within=within)
            elif known[name] is not None:
                yield from _unknown(value, known[name], f"{within}{name}.")


def _refuse_unknown(document: dict[str, Any], path: Path) -> None:
    for fault in _unknown(document, _names(), ""):
        raise ConfigError(f"{path}: {fault}")


@cache
def _names() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NAMES.read_text(encoding="utf-8"))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path} is not UTF-8, as TOML must be: {err.reason}") from err
    except OSError as err:
        raise ConfigError(
            f"{path} cannot be read: {err.strerror}; KINOLOOP_SETTINGS_FILE names another file"
        ) from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"{path} is not valid TOML: {err}") from err
    except RecursionError as err:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply") from err
    unknown = sorted(set(document) - set(SECTIONS))
    if unknown:
        named = ", ".join(f"{section!r}" for section in unknown)
        raise ConfigError(f"{path}: unknown section {named}; there are {', '.join(SECTIONS)}")
    return document
