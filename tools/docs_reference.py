"""The reference pages of the library: which names they show; mkdocstrings reads the docstrings.

Which recommenders, encoders, importers, metrics and drift tests there are is asked of the code, so
that a new one stands on its page without an edit.
"""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any, get_args, get_origin

import annotated_types as at
from docs_settings import cell
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import kinoloop
from kinoloop import client as client_module
from kinoloop import errors as errors_module
from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories
from kinoloop.drift.base import DRIFT_TESTS, Measurement, Scene, TestConfig, drift_test
from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, Takes, TextEncoder
from kinoloop.evaluation import metrics as metric_files
from kinoloop.evaluation.evaluate import Evaluation, evaluate
from kinoloop.evaluation.metrics.base import Metric
from kinoloop.evaluation.ranks import Ranks
from kinoloop.ingestion.importers.base import IMPORTERS, Importer, Landing
from kinoloop.media.content import VideoContent
from kinoloop.models.base import RECOMMENDERS, Recommender, RecommenderConfig, Report, Validation
from kinoloop.testing.encoder_contract import EncoderContract
from kinoloop.testing.recommender_contract import RecommenderContract

FIRST = ("Dataset", "build", "Model", "load", "evaluate", "Comparison", "TestSet")
"""Of the library's names, in the order in which they are needed; the others follow."""

BOUNDS = ((at.Gt, "gt", ">"), (at.Ge, "ge", "≥"), (at.Lt, "lt", "<"), (at.Le, "le", "≤"))
INTERFACES = (
    ("Recommender", (Recommender, RecommenderConfig, Report, Validation)),
    ("Encoder", (Encoder, TextEncoder, EncoderConfig, Takes)),
    ("Importer", (Importer, Landing)),
    ("Metric", (Metric, Ranks)),
    ("Drift test", (Scene, Measurement, TestConfig, drift_test)),
    ("What they are given", (Histories, Catalogue, Modality, VideoContent)),
)
CONTRACTS = (RecommenderContract, EncoderContract)
QUIET = {"show_root_heading": False, "show_root_toc_entry": False}


def library() -> str:
    """Document what `import kinoloop` offers."""
    homes = {name: _home(getattr(kinoloop, name)) for name in kinoloop.__all__}
    ours = [name for name, home in homes.items() if home.startswith("kinoloop.library.")]
    ours.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    parts = ["# The library\n\n", _shown("kinoloop", members=False, **QUIET)]
    parts += [_shown(f"kinoloop.{name}", heading_level=2) for name in ours]
    others = ", ".join(f"`{name}`" for name in homes if name not in ours)
    parts.append(f"\n## For packages that bring parts\n\n{others}: [Interfaces](interfaces.md).\n")
    return "".join(parts)


def recommenders() -> str:
    """Every recommender with its source, its trade-offs and its settings."""
    parts = [
        "# Recommenders\n\nA candidate of a retrain names its `kind`; what differs from the "
        "defaults stands beside it. All of them share one [interface](interfaces.md).\n"
    ]
    for name in RECOMMENDERS.names():
        parts += _kind(name, RECOMMENDERS.get(name), RECOMMENDERS.get(name).Config)
    return "".join(parts)


def encoders() -> str:
    """Every encoder with what it reads and its settings."""
    parts = [
        "# Encoders\n\nAn entry of `[extract] encoders` names its `kind`. Which models each of "
        "them takes: [Add an encoder](../guides/adding-an-encoder.md).\n"
    ]
    for name in ENCODERS.names():
        kind = ENCODERS.get(name)
        parts += _kind(name, kind, kind.Config, f"Reads: {kind.modality}.")
    return "".join(parts)


def drift_tests() -> str:
    """Every drift test with its effect size and its settings."""
    parts = [
        "# Drift tests\n\nAn entry of `[drift] tests` names its `kind`. When a test fires and why: "
        "[decision 0002](../decisions/0002-drift-tests.md).\n"
    ]
    for name in DRIFT_TESTS.names():
        test = DRIFT_TESTS.get(name)
        said = f"Looks at: {test.level}. Effect size: {test.effect}."
        parts += _kind(name, test.measure, test.config, said)
    return "".join(parts)


def importers() -> str:
    """Every importer."""
    parts = [
        "# Importers\n\n`kinoloop import FORMAT PATH` runs the one that is called `FORMAT`; what "
        "to know about each is in [Bring your data](../guides/your-data.md#importers).\n"
    ]
    for name in IMPORTERS.names():
        parts += [f"\n## {name}\n\n", _shown(_module(IMPORTERS.get(name)), members=False, **QUIET)]
    return "".join(parts)


def metrics() -> str:
    """Every metric with its formula, source and an example that the tests run."""
    parts = [
        "# Metrics\n\nWhich of them an evaluation reports, and when to look at which: "
        "[Evaluation](../explanation/evaluation.md).\n",
        _shown(evaluate, heading_level=2),
        _shown(Evaluation, heading_level=2),
    ]
    for name in sorted(file.name for file in pkgutil.iter_modules(metric_files.__path__)):
        module = importlib.import_module(f"{metric_files.__name__}.{name}")
        if module.__name__ != Metric.__module__:
            parts += [_shown(function, heading_level=2) for function in _own(module)]
    return "".join(parts)


def interfaces() -> str:
    """Document what one writes to add a part, and the contracts that check it."""
    parts = ["# Interfaces\n\nWhat a part of your own derives from, is given, and is tested by.\n"]
    for title, things in INTERFACES:
        parts += [f"\n## {title}\n\n", *map(_shown, things)]
    parts.append("\n## Contracts\n\n")
    return "".join([*parts, *(_shown(contract, members=False) for contract in CONTRACTS)])


def errors() -> str:
    """Document the tree of errors."""
    parts = ["# Errors\n\n", _shown(errors_module.__name__, members=False, **QUIET)]
    parts += [_shown(error, heading_level=2) for error in _own(errors_module)]
    return "".join(parts)


def client() -> str:
    """Document the client of the service: both clients first, then what they take and answer."""
    names = sorted(client_module.__all__, key=lambda name: (not name.endswith("Client"), name))
    parts = ["# The Python client\n\n", _shown(client_module.__name__, members=False, **QUIET)]
    parts += [_shown(f"{client_module.__name__}.{name}", heading_level=2) for name in names]
    return "".join(parts)


def _kind(name: str, thing: Any, config: type[BaseModel], said: str = "") -> list[str]:  # noqa: ANN401 (a class or a function)
    """Make the section of one plugin: what its module says of it, and its settings."""
    return [
        f"\n## {name} {{ #{name} }}\n\n",
        _shown(_module(thing), members=False, **QUIET),
        f"\n{said}\n" if said else "",
        _table(config),
    ]


def _table(config: type[BaseModel], title: str = "setting") -> str:
    fields = {name: field for name, field in config.model_fields.items() if name != "kind"}
    if not fields:
        return "\nIt has no settings.\n"
    rows = [
        f"| `{name}` | {_values(field)} | {_default(field)} | {cell(field.description or '')} |\n"
        for name, field in fields.items()
    ]
    inner = [
        _table(field.annotation, f"setting of `{name}`")
        for name, field in fields.items()
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel)
    ]
    return "".join([f"\n| {title} | values | default | |\n|---|---|---|---|\n", *rows, *inner])


def _values(field: FieldInfo) -> str:
    """Type and bounds of a setting, for a table cell."""
    annotation = field.annotation
    if get_origin(annotation) is not None and all(isinstance(a, str) for a in get_args(annotation)):
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    named = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        named = "table"
    bounds = [
        f"{sign} {getattr(bound, at_name):g}"
        for bound in field.metadata
        for kind, at_name, sign in BOUNDS
        if isinstance(bound, kind)
    ]
    return " ".join([named.replace("|", "\\|"), ", ".join(bounds)]).strip()


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be given" if field.is_required() else ""
    if isinstance(field.default, BaseModel):
        return "below"
    shown = field.default if isinstance(field.default, str) else repr(field.default)
    return "unset" if field.default is None else f"`{shown}`"


def _shown(thing: Any, **options: Any) -> str:  # noqa: ANN401 (a class, a function or a name)
    """Make the directive for one name: a class, a function, or a dotted name."""
    name = thing if isinstance(thing, str) else f"{_module(thing)}.{thing.__qualname__}"
    lines = [f"\n::: {name}\n"]
    if options:
        lines.append("    options:\n")
    for option, value in options.items():
        lines.append(
            f"      {option}: {str(value).lower() if isinstance(value, bool) else value}\n"
        )
    return "".join([*lines, "\n"])


def _own(module: ModuleType) -> list[Any]:
    """Public classes and functions that a module defines, as they stand in it."""
    return [
        thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and _module(thing) == module.__name__
    ]


def _home(thing: Any) -> str:  # noqa: ANN401 (a class, a function or a registry)
    return str(getattr(thing, "__module__", ""))


def _module(thing: Any) -> str:  # noqa: ANN401 (a class or a function)
    return str(thing.__module__)
