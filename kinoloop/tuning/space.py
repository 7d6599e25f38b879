"""The search space of a recommender, derived from the constrained types of its config.

| field | searched |
|---|---|
| number between two bounds | evenly between them |
| positive float with one bound | from a tenth to ten times the default, on a log scale |
| positive int with one bound | from a quarter to four times the default, on a log scale |
| `Literal` with several values, bool | each value |
| mapping of names to positive floats | each value, from a tenth to ten times, on a log scale |

What a config names in `not_searched` stays (budgets such as epochs and memory bounds: more is
always a little better there, and a search would only find that out), and so does what the
candidate already sets. What `only_with` ties to a value of another setting is drawn with that
value only: elsewhere it would change no result, and the search would learn from nothing.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from kinoloop.models.base import RecommenderConfig

FLOAT_REACH, INT_REACH = 10.0, 4
DIGITS = 3  # significant, of floats: settings that a person can read


class Range(NamedTuple):
    """Numbers from `low` to `high`."""

    low: float
    high: float
    log: bool
    whole: bool


class Choice(NamedTuple):
    """One of some values."""

    values: tuple[Any, ...]


Dimension = Range | Choice


class Trial(Protocol):
    """What draws: `optuna.trial.Trial`, or anything of its shape."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a float."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Draw an int."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:  # noqa: ANN401 (any value)
        """Draw one of some values."""


def search_space(
    config_type: type[RecommenderConfig], given: Mapping[str, Any]
) -> dict[str, Dimension]:
    """Return what may be searched, by dotted name of the setting.

    Args:
        config_type: Of the recommender.
        given: Settings that the candidate already has; they stay.

    Examples:
        >>> from kinoloop.models.item_knn import ItemKnnConfig
        >>> search_space(ItemKnnConfig, {"kind": "item_knn", "decay": 0.7})["top_n"]
        Range(low=50, high=800, log=True, whole=True)
    """
    found: dict[str, Dimension] = {}
    for name, field in config_type.model_fields.items():
        if name in config_type.not_searched or name in given:
            continue
        if isinstance(field.default, dict):
            for key, value in field.default.items():
                if isinstance(value, float) and value > 0:
                    found[f"{name}.{key}"] = _around(value, FLOAT_REACH)
        elif (dimension := _dimension(field)) is not None:
            found[name] = dimension
    for name, (other, values) in config_type.only_with.items():
        fixed = given.get(other, config_type.model_fields[other].default)
        if name in found and other not in found and fixed not in values:
            del found[name]
    return found


def draw(
    trial: Trial, space: Mapping[str, Dimension], config_type: type[RecommenderConfig]
) -> dict[str, Any]:
    """Let a trial draw one point of a space, by dotted name."""
    tied = config_type.only_with
    point: dict[str, Any] = {}
    for name in sorted(space, key=lambda name: name in tied):  # what decides comes first
        if _counts(name, point, config_type):
            point[name] = _draw(trial, name, space[name])
    return point


def settings_of(
    point: Mapping[str, Any], given: Mapping[str, Any], config_type: type[RecommenderConfig]
) -> dict[str, Any]:
    """Return a candidate's settings: what it already has, and a drawn point."""
    settings = dict(given)
    for name, value in point.items():
        outer, _, inner = name.partition(".")
        if inner:
            whole = settings.setdefault(outer, dict(config_type.model_fields[outer].default))
            whole[inner] = value
        else:
            settings[outer] = value
    return config_type.make_valid(settings, given)


def default_point(
    space: Mapping[str, Dimension], config_type: type[RecommenderConfig]
) -> dict[str, Any]:
    """Return the point of a space that a config has by default."""
    point = {}
    for name in space:
        outer, _, inner = name.partition(".")
        default = config_type.model_fields[outer].default
        point[name] = default[inner] if inner else default
    return {name: value for name, value in point.items() if _counts(name, point, config_type)}


def _counts(name: str, point: Mapping[str, Any], config_type: type[RecommenderConfig]) -> bool:
    """Whether a setting can change a result, beside what else is drawn."""
    other, values = config_type.only_with.get(name, (name, ()))
    return other == name or other not in point or point[other] in values


def _dimension(field: FieldInfo) -> Dimension | None:
    default, kind = field.default, field.annotation
    if get_origin(kind) is Literal:
        values = get_args(kind)
        return Choice(values) if len(values) > 1 else None
    if kind is bool:
        return Choice((False, True))
    if kind not in {int, float}:
        return None
    low, high = _bounds(field)
    if low is not None and high is not None:
        return Range(low, high, log=False, whole=kind is int)
    if not default > 0:
        return None
    around = _around(default, INT_REACH if kind is int else FLOAT_REACH)
    return around._replace(low=max(around.low, low) if low is not None else around.low)


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the bounds of a number; an open bound keeps a hundredth away."""
    low: Any = None
    high: Any = None
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge):
            low = rule.ge
        elif isinstance(rule, annotated_types.Gt):
            low = rule.gt
        elif isinstance(rule, annotated_types.Le):
            high = rule.le
        elif isinstance(rule, annotated_types.Lt):
            high = rule.lt
    if low is not None and high is not None:
        margin = (high - low) / 100
        open_low = any(isinstance(rule, annotated_types.Gt) for rule in field.metadata)
        open_high = any(isinstance(rule, annotated_types.Lt) for rule in field.metadata)
        return low + margin * open_low, high - margin * open_high
    return (low if low else None), high


def _around(default: float, reach: float) -> Range:
    if isinstance(default, int):
        return Range(
            max(1, math.ceil(default / reach)), math.floor(default * reach), log=True, whole=True
        )
    return Range(default / reach, default * reach, log=True, whole=False)


def _draw(trial: Trial, name: str, dimension: Dimension) -> Any:  # noqa: ANN401 (any value)
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(name, dimension.values)
    if dimension.whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    drawn = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
    rounded = float(f"{drawn:.{DIGITS}g}")
    return min(max(rounded, dimension.low), dimension.high)
