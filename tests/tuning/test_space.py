import doctest
from typing import Literal

import pytest
from pydantic import Field

import kinoloop.tuning.space
import kinoloop.tuning.toml
from kinoloop.models.base import RECOMMENDERS, RecommenderConfig
from kinoloop.training.model_selection import CANDIDATES
from kinoloop.tuning.space import (
    Choice,
    Range,
    default_point,
    draw,
    search_space,
    settings_of,
)


class Made(RecommenderConfig):
    kind: Literal["made"] = "made"
    share: float = Field(0.5, ge=0, lt=1)
    decay: float = Field(0.5, gt=0, le=1)
    rate: float = Field(0.01, gt=0)
    weight: float = Field(0.0, ge=0)
    width: int = Field(64, ge=8)
    loss: Literal["bce", "softmax"] = "softmax"
    tied: bool = True
    weights: dict[str, float] = Field({"text": 1.0, "audio": 0.0})
    name_of_model: str = "x"
    epochs: int = Field(9, ge=1)


class Middle:
    """Draws the low end of each range and the last of each choice."""

    def suggest_float(self, name, low, high, *, log=False):
        return low

    def suggest_int(self, name, low, high, *, log=False):
        return low

    def suggest_categorical(self, name, choices):
        return choices[-1]


def test_the_space_follows_the_types_and_their_bounds():
    assert search_space(Made, {"kind": "made"}) == {
        "share": Range(0, 0.99, log=False, whole=False),
        "decay": Range(0.01, 1, log=False, whole=False),
        "rate": Range(0.001, 0.1, log=True, whole=False),
        "width": Range(16, 256, log=True, whole=True),
        "loss": Choice(("bce", "softmax")),
        "tied": Choice((False, True)),
        "weights.text": Range(0.1, 10, log=True, whole=False),
    }


def test_what_is_given_stays():
    space = search_space(Made, {"kind": "made", "width": 32, "loss": "bce"})
    assert "width" not in space
    assert "loss" not in space


class Tied(Made):
    kind: Literal["tied_test"] = "tied_test"
    only_with = {"rate": ("loss", ("bce",)), "width": ("name_of_model", ("y",))}


def test_what_changes_no_result_is_left_alone():
    """Nor is it drawn beside a value of another setting with which it changes none."""
    assert "width" not in search_space(Tied, {})  # the default has none of the values
    assert "width" in search_space(Tied, {"name_of_model": "y"})
    assert "rate" not in search_space(Tied, {"loss": "softmax"})
    space = search_space(Tied, {})
    assert "rate" not in draw(Middle(), space, Tied)  # draws softmax
    assert "rate" not in default_point(space, Tied)

    class First(Middle):
        def suggest_categorical(self, name, choices):
            return choices[0]

    assert "rate" in draw(First(), space, Tied)


@pytest.mark.parametrize("kind", sorted(RECOMMENDERS.names()))
def test_what_is_tied_names_settings_and_values_that_exist(kind):
    config_type = RECOMMENDERS.get(kind).Config
    for name, (other, values) in config_type.only_with.items():
        assert {name, other} <= set(config_type.model_fields)
        for value in values:
            config_type.model_validate({other: value})


def test_placement_memory_and_worker_counts_are_not_searched():
    names = set(search_space(RECOMMENDERS.get("sequence").Config, {}))
    assert not names & {"accumulate", "compile", "cpu_threads", "words"}


@pytest.mark.parametrize(("dim", "heads"), [(17, 3), (16, 7), (251, 8), (64, 2)])
def test_heads_share_the_width_that_is_drawn(dim, heads):
    config_type = RECOMMENDERS.get("sequence").Config
    free = settings_of({"dim": dim, "heads": heads}, {"kind": "sequence"}, config_type)
    assert config_type.model_validate(free).heads == heads
    given = {"kind": "sequence", "dim": 64}
    fixed = settings_of({"heads": heads}, given, config_type)
    assert config_type.model_validate(fixed).dim == 64


@pytest.mark.parametrize("kind", [candidate["kind"] for candidate in CANDIDATES])
def test_every_point_of_every_space_is_a_config(kind):
    config_type = RECOMMENDERS.get(kind).Config
    space = search_space(config_type, {"kind": kind})
    assert space
    for point in (draw(Middle(), space, config_type), default_point(space, config_type)):
        config_type.model_validate(settings_of(point, {"kind": kind}, config_type))
    defaults = config_type.model_validate(
        settings_of(default_point(space, config_type), {"kind": kind}, config_type)
    )
    assert defaults == config_type.model_validate({"kind": kind})


def test_budgets_and_memory_bounds_are_not_searched():
    for kind in RECOMMENDERS.names():
        names = set(search_space(RECOMMENDERS.get(kind).Config, {}))
        assert not names & {"kind", "epochs", "patience", "max_users", "max_videos"}


def test_floats_are_drawn_in_three_digits():
    class Third(Middle):
        def suggest_float(self, name, low, high, *, log=False):
            return 1 / 3

    assert draw(Third(), {"x": Range(0, 1, log=False, whole=False)}, Made) == {"x": 0.333}


@pytest.mark.parametrize("module", [kinoloop.tuning.space, kinoloop.tuning.toml])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
