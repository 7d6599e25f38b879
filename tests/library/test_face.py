"""The public face: what it hands on, and what it does not load."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kinoloop as kl
from tests.library.toy import small_movielens
from tests.test_extras import not_of_the_core

PACKAGE = Path(kl.__file__).parent
PLATFORM = ("prefect", "mlflow", "bentoml", "great_expectations", "dvc", "optuna", "fastapi")
HEAVY = ("torch", "transformers", "peft", "accelerate", "av", "librosa", "pandas", "matplotlib")
NOT_CORE = ("PIL", "httpx", "psutil", "rich", "typer", "sqlalchemy", "py3langid")

FIFTEEN_LINES = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled())
import kinoloop as kl
data = kl.load_movielens("ml-100k")
train, test = data.split("temporal", test_days=1)
model = kl.build("ease").fit(train)
print(kl.evaluate({{"ease": model, "popularity": kl.build("popularity").fit(train)}}, test))
print(model.recommend(["1"], k=10))
model.similar("2"); model.save("folder"); kl.load("folder").recommend(["1"], k=10)
"""


def _python(code, cwd):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_importing_loads_nothing_but_the_standard_library(tmp_path):
    code = (
        "import sys; before = set(sys.modules); import kinoloop; import json;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(json.dumps(sorted(new - set(sys.stdlib_module_names))))"
    )
    assert json.loads(_python(code, tmp_path).stdout) == ["kinoloop"]


def test_the_fifteen_lines_work_without_platform_torch_and_pandas(tmp_path):
    small_movielens(tmp_path / "data" / "ml-100k")
    run = _python(FIFTEEN_LINES.format(names=(*PLATFORM, *HEAVY, *NOT_CORE)), tmp_path)
    assert run.returncode == 0, run.stderr
    assert "ndcg@10" in run.stdout
    assert "user_id" in run.stdout


EVERY_KIND = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NotInstalled())
import json
import kinoloop as kl
from kinoloop.encoders import base
from kinoloop.errors import MissingExtraError
train, _ = kl.load_movielens("ml-100k").split("temporal", test_days=1)
said = dict()
def note(kind, result):
    try:
        said[kind] = result()
    except MissingExtraError as err:
        said[kind] = err.extra
for kind in kl.RECOMMENDERS.names():
    model = kl.build(kind, **({{"parts": ["item_knn", "ease"]}} if kind == "blend" else {{}}))
    note(kind, lambda: (model.fit(train).save(kind), len(kl.load(kind).recommend(["1"], k=3)))[1])
for kind in kl.ENCODERS.names():
    note(kind, lambda: base.build(dict(kind=kind) | {settings!r}.get(kind, dict())) and 0)
print(json.dumps(said))
"""
ENCODER_SETTINGS = {
    kind: {"model": "nobody/nothing"}
    for kind in ("hf_audio", "hf_image", "hf_text", "hf_video", "vgg")
}


def test_every_kind_works_without_extras_or_names_the_one_that_it_needs(tmp_path):
    small_movielens(tmp_path / "ml-100k")
    code = EVERY_KIND.format(names=not_of_the_core(), settings=ENCODER_SETTINGS)
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert {kind for kind, found in said.items() if found == "torch"} >= {"sequence", "hf_text"}
    assert {found for found in said.values() if isinstance(found, str)} <= {"torch", "media"}
    assert said["ease"] > 0


def test_what_is_handed_on_is_what_type_checkers_read():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    typed = {
        (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(home, name) for name, home in kl._HOME_OF.items()}
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", kl.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(kl, name).__doc__
    assert name in dir(kl)


def test_what_is_not_handed_on_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'kinoloop' has no attribute 'Pipeline'"):
        kl.Pipeline  # noqa: B018
