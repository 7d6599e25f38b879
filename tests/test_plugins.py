import importlib
import sys

import pytest

from kinoloop.drift.base import DRIFT_TESTS
from kinoloop.encoders.base import ENCODERS
from kinoloop.errors import ConfigError
from kinoloop.evaluation.metrics.base import METRICS
from kinoloop.ingestion.importers.base import IMPORTERS
from kinoloop.models.base import RECOMMENDERS, build
from kinoloop.plugins import Plugins, _installed


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


def test_an_unknown_name_is_answered_with_names_that_are_near():
    plugins: Plugins[int] = Plugins("kinoloop.models", "number")
    for name in ("seven", "eleven", "two"):
        plugins.register(name)(1)
    with pytest.raises(ConfigError, match="did you mean seven or eleven"):
        plugins.get("sevn")


def test_two_things_cannot_have_one_name():
    plugins: Plugins[type] = Plugins("kinoloop.models", "number")
    plugins.register("int")(int)
    plugins.register("int")(int)  # the same again, as when a cell of a notebook runs twice
    with pytest.raises(
        ConfigError, match=r"two numbers are called 'int': builtins.int and builtins.str"
    ):
        plugins.register("int")(str)


MODULE = """
from kinoloop.models.popularity import Popularity, PopularityConfig
from kinoloop.models.base import RECOMMENDERS
from typing import Literal

class ByAgeConfig(PopularityConfig):
    kind: Literal["by_age"] = "by_age"

@RECOMMENDERS.register("by_age")
class ByAge(Popularity):
    Config = ByAgeConfig
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts packages with entry points on the path, as `pip install --target` leaves them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    _installed.cache_clear()

    def put(name, points, module=""):
        (tmp_path / f"{name}.py").write_text(module)
        facts = tmp_path / f"{name}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"[{group}]\n{key} = {value}\n" for group, key, value in points]
        (facts / "entry_points.txt").write_text("\n".join(lines))
        importlib.invalidate_caches()

    before = dict(RECOMMENDERS._found)
    yield put
    RECOMMENDERS._found.clear()
    RECOMMENDERS._found.update(before)
    _installed.cache_clear()


GROUP = "kinoloop.recommenders"


def test_a_package_adds_a_recommender_and_is_imported_when_it_is_asked_for(install):
    install("ages", [(GROUP, "by_age", "ages")], MODULE)
    assert "by_age" in RECOMMENDERS.names()
    assert "ages" not in sys.modules
    assert build({"kind": "by_age", "prior_half_life_days": 3}).config.kind == "by_age"
    assert "ages" in sys.modules


def test_a_package_that_is_broken_is_named_and_breaks_no_other(install):
    install("broken", [(GROUP, "odd", "broken")], "import nothing_of_that_name")
    assert build({"kind": "popularity"}).config.kind == "popularity"
    with pytest.raises(
        ConfigError,
        match=r"recommender 'odd' of broken 1.0 \(broken\) cannot be imported: ModuleNotFoundError",
    ):
        build({"kind": "odd"})


@pytest.mark.parametrize(
    ("old", "new", "lack"),
    [
        ("(Popularity)", "(Recommender)", "lacks _fit, _restore, _score, _state"),
        ("(Popularity)", "", "does not derive from Recommender"),
        ("(Popularity):\n    Config = ByAgeConfig", "(Recommender): ...", "lacks Config, _fit"),
    ],
)
def test_a_class_that_cannot_be_built_is_refused_by_what_it_lacks(install, old, new, lack):
    module = MODULE.replace("import RECOMMENDERS", "import RECOMMENDERS, Recommender")
    name = f"half{len(new)}{len(old)}"
    install(name, [(GROUP, "by_age", name)], module.replace(old, new))
    with pytest.raises(ConfigError, match=rf"of {name} 1.0 .*recommender 'by_age': .*{lack}"):
        build({"kind": "by_age"})


def test_a_package_that_ends_the_program_when_it_is_imported_is_named(install):
    install("ends", [(GROUP, "ends", "ends")], "raise SystemExit(3)")
    with pytest.raises(ConfigError, match=r"of ends 1.0 .* cannot be imported: SystemExit: 3"):
        build({"kind": "ends"})
    with pytest.raises(ConfigError, match=r"no recommender is called 3; there are .*ease"):
        RECOMMENDERS.get(3)


def test_a_package_that_registers_nothing_is_named(install):
    install("silent", [(GROUP, "quiet", "silent")])
    with pytest.raises(ConfigError, match=r"of silent 1.0 .* registers nothing under that name"):
        build({"kind": "quiet"})


def test_a_name_that_two_bring_is_refused_and_the_others_work(install):
    install("first", [(GROUP, "same", "first"), (GROUP, "ease", "first")])
    install("second", [(GROUP, "same", "second")])
    with pytest.raises(ConfigError, match=r"2 packages bring .* 'same': first 1.0, second 1.0"):
        build({"kind": "same"})
    with pytest.raises(ConfigError, match=r"2 packages bring .* 'ease': kinoloop, first 1.0"):
        build({"kind": "ease"})
    assert build({"kind": "popularity"}).config.kind == "popularity"


@pytest.mark.parametrize(
    ("group", "registry", "module"),
    [
        (
            "kinoloop.encoders",
            ENCODERS,
            "import kinoloop as kl\n"
            "from kinoloop.encoders.classical_visual import ClassicalVisual\n"
            "@kl.ENCODERS.register('own')\n"
            "class Own(ClassicalVisual): ...",
        ),
        (
            "kinoloop.importers",
            IMPORTERS,
            "import kinoloop as kl\n@kl.IMPORTERS.register('own')\ndef own(source, landing): ...",
        ),
        (
            "kinoloop.metrics",
            METRICS,
            "import kinoloop as kl\n@kl.METRICS.register('own')\ndef own(ranks, *, k): ...",
        ),
        (
            "kinoloop.drift_checks",
            DRIFT_TESTS,
            "import kinoloop as kl\nclass Config(kl.TestConfig): kind: str = 'own'\n"
            "@kl.drift_test('own', level='tables', config=Config, title='Own', effect='x')\n"
            "def own(scene, config): ...",
        ),
    ],
)
def test_packages_add_parts_of_every_kind(install, group, registry, module):
    name = group.rpartition(".")[2]
    install(f"brings_{name}", [(group, "own", f"brings_{name}")], module)
    assert "own" in registry.names()
    try:
        found = registry.get("own")
        assert getattr(found, "measure", found).__module__ == f"brings_{name}"
    finally:
        registry._found.pop("own", None)
