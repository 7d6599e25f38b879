"""What `kinoloop doctor` looks at in the settings file: every section, as its readers read it.

The service restarts a worker that ends, so a value that a worker refuses is refused before one
starts.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kinoloop.cli.finding import Finding, State
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.settings import SECTIONS, config_of, read_section

OF_THE_SERVICE = ("serving", "policy", "ingest", "interest", "extract")
"""Sections that the service reads; a test holds every caller of `read_section` in it against it."""


def settings(environment: Environment) -> Iterator[Finding]:
    """Check that the settings file is TOML and that its sections and all their keys are known."""
    path = environment.settings_file
    if not path.exists():
        yield Finding("Settings", State.WARNING, f"no {path}: defaults are in force")
        return
    faults = dict.fromkeys(fault for section in SECTIONS if (fault := _fault(section, environment)))
    for fault in faults:
        yield Finding("Settings", State.BROKEN, fault, f"correct {path}")
    if not faults:
        yield Finding("Settings", State.OK, f"{path}, {len(SECTIONS)} sections")


def check_service(environment: Environment) -> None:
    """Check what each worker of the service reads at its start; nothing is asked over the network.

    Raises:
        ConfigError: A setting of the service has a value that it cannot have, or the address of
            the live state is none.
    """
    from serving.state import check_address

    for section in OF_THE_SERVICE:
        _check(section, environment)
    check_address(environment)


def _check(section: str, environment: Environment) -> None:
    config = read_section(section, config_of(section), environment.settings_file)
    if section in _KINDS:
        _KINDS[section](config)


def _fault(section: str, environment: Environment) -> str:
    """Say what is wrong with a section; "" where nothing is."""
    try:
        _check(section, environment)
    except ConfigError as err:
        return str(err)
    return ""


def _rules(config: Any) -> None:  # noqa: ANN401 (an IngestConfig)
    from kinoloop.ingestion.rules import rules_of

    rules_of("events", config)


def _encoders(config: Any) -> None:  # noqa: ANN401 (an ExtractConfig)
    from kinoloop.encoders.base import parse

    for settings in config.encoders:
        parse(settings)


def _candidates(config: Any) -> None:  # noqa: ANN401 (a RetrainConfig)
    from kinoloop.evaluation.metrics.base import metrics_of
    from kinoloop.training.model_selection import build_candidate

    metrics_of(config.extra_metrics)
    for settings in config.candidates:
        build_candidate(settings, seed=config.seed)


def _drift_tests(config: Any) -> None:  # noqa: ANN401 (a DriftConfig)
    from kinoloop.drift.detect import configured

    for settings in config.tests:
        configured(settings)


_KINDS: Mapping[str, Callable[[Any], None]] = {
    "ingest": _rules,
    "extract": _encoders,
    "retrain": _candidates,
    "drift": _drift_tests,
}
"""Sections whose entries name a `kind` or a rule, which knows its own settings."""
