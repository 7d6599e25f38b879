import doctest
import importlib
import pkgutil

import pytest

import kinoloop.evaluation

MODULES = [
    found.name
    for found in pkgutil.walk_packages(kinoloop.evaluation.__path__, "kinoloop.evaluation.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
