import pytest

from kinoloop.errors import ConfigError
from kinoloop.plugins import Plugins


def test_finds_what_was_registered():
    plugins: Plugins[int] = Plugins("kinoloop.models", "number")
    plugins.register("one")(1)
    assert plugins.get("one") == 1
    assert plugins.names() == ["one"]


def test_unknown_name_is_an_error_that_lists_the_known():
    plugins: Plugins[int] = Plugins("kinoloop.models", "number")
    plugins.register("one")(1)
    with pytest.raises(ConfigError, match="no number is called 'two'; there are one"):
        plugins.get("two")
