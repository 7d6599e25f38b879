import ast
import subprocess
import sys
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kinoloop
from kinoloop.errors import KinoloopError, MissingExtraError
from kinoloop.extras import EXTRAS, explained
from kinoloop.models.base import build
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import toy_catalogue, toy_histories


def test_missing_package_is_an_error_that_names_who_needs_it_and_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    match = r'^kinoloop tune needs optuna, .*: `pip install "kinoloop\[platform\]"`, or rest$'
    with (
        pytest.raises(MissingExtraError, match=match) as raised,
        explained("kinoloop tune", instead="rest"),
    ):
        import optuna  # noqa: F401
    assert isinstance(raised.value, KinoloopError)
    assert isinstance(raised.value, ImportError)
    assert (raised.value.extra, raised.value.name) == ("platform", "optuna")


def test_package_that_no_extra_brings_is_missed_as_python_says_it():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), explained("this"):
        import no_such_package  # noqa: F401


def test_every_requirement_of_an_extra_is_known_by_the_modules_that_it_brings():
    brought_by = metadata.packages_distributions()
    known = {canonicalize_name(d) for m in chain(*EXTRAS.values()) for d in brought_by.get(m, ())}
    wanted = {
        Requirement(line).name for line in metadata.requires("kinoloop") if "extra ==" in line
    }
    assert wanted - known == {"kinoloop"}  # of the extra all


def not_of_the_core():
    """Modules that only an extra brings, at whatever remove."""
    core, waiting = set(), ["kinoloop"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in core:
            core.add(name)
            wanted = map(Requirement, metadata.requires(name) or ())
            waiting += [r.name for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})]
    return {
        module
        for module, brought_by in metadata.packages_distributions().items()
        if core.isdisjoint(map(canonicalize_name, brought_by))
    }


def test_every_module_that_an_extra_brings_is_known_where_it_is_imported():
    unknown = not_of_the_core() - set(chain(*EXTRAS.values()))
    for path in Path(kinoloop.__file__).parent.rglob("*.py"):
        if "testing" not in path.parts:  # what a plug-in's own tests run with pytest
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                assert not {name.partition(".")[0] for name in names} & unknown, path


@pytest.mark.parametrize("kind", ["sequence", "concat_match", "two_tower"])
def test_training_without_torch_says_what_to_install(kind):
    code = (
        f"import sys; sys.modules['torch'] = None\nfrom tests.test_extras import fit\nfit({kind!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        f'fitting {kind} needs torch, which is not installed: `pip install "kinoloop[torch]"`'
        in (done.stderr)
    )


def test_fitting_a_ranker_without_torch_says_what_to_install(monkeypatch):
    from kinoloop.ranking.config import RankerConfig
    from kinoloop.ranking.data import RankerData
    from kinoloop.ranking.fitting import fit_ranker

    monkeypatch.setitem(sys.modules, "kinoloop.ranking.training", None)
    monkeypatch.delitem(sys.modules, "kinoloop.ranking.training")
    monkeypatch.setitem(sys.modules, "torch", None)
    catalogue = toy_catalogue()
    data = RankerData(*toy_exposures(catalogue), 0, 1)
    with pytest.raises(MissingExtraError, match="fitting the ranker needs torch, which is not"):
        fit_ranker(RankerConfig(), data, catalogue)


def test_every_kind_of_recommender_is_listed_without_torch_and_media():
    code = (
        "import sys\n"
        "from kinoloop.encoders.base import ENCODERS\n"
        "from kinoloop.models.base import RECOMMENDERS\n"
        "print(*RECOMMENDERS.names(), *ENCODERS.names())\n"
        "print({'torch', 'transformers', 'PIL', 'av', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert {"ease", "popularity", "sequence", "minilm", "hf_video"} <= set(names.split())
    assert loaded == "set()"


def test_command_of_the_core_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from kinoloop.cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the command line needs typer, which is not installed: "
        '`pip install "kinoloop[platform]"`\n'
    )


def fit(kind):
    build({"kind": kind}).fit(toy_histories(toy_catalogue()), toy_catalogue())


def test_subtitles_and_the_joint_vector_without_their_extras_say_what_to_install(monkeypatch):
    from kinoloop.media.subtitle_formats import parse_subtitles
    from kinoloop.training.contrastive import ContrastiveConfig, learn

    monkeypatch.setitem(sys.modules, "webvtt", None)
    with pytest.raises(MissingExtraError, match="reading subtitles needs webvtt"):
        parse_subtitles("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
    monkeypatch.setitem(sys.modules, "kinoloop.training.info_nce", None)
    monkeypatch.delitem(sys.modules, "kinoloop.training.info_nce")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="learning the joint vector needs torch"):
        learn(toy_catalogue().modalities, ContrastiveConfig(min_videos=10))
