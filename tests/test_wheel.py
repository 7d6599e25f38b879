"""The wheel, built and installed alone into an environment of its own, as a stranger has it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from kinoloop.cli.machine_checks import LOCK, ROOT, pins_of
from tests.library.test_face import FIFTEEN_LINES
from tests.library.toy import small_movielens

PACKAGES = ("flows", "kinoloop", "serving", "tasks")
FILES = ("LICENSE", "README.md", "bentofile.yaml", "prefect.yaml", "pyproject.toml")
ABSENT = {"torch", "transformers", "av", "prefect", "mlflow", "bentoml", "pandas", "typer"}

pytestmark = pytest.mark.slow


def _run(*command, cwd):
    hidden = ("PYTHONPATH", "PYTHONHOME")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )


def _good(*command, cwd):
    done = _run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing of an earlier build is in it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    build = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", target, ".")
    _good(sys.executable, *build, cwd=source)
    (built,) = target.glob("*.whl")
    return built


def test_wheel_holds_the_packages_and_what_they_read_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert {
        "kinoloop/py.typed",
        "kinoloop/__init__.pyi",
        "kinoloop/semantics/labels.toml",
        "flows/prefect.yaml",
        "serving/bentofile.yaml",
        "serving/page/index.html",
    } <= set(names)


def test_core_alone_runs_the_fifteen_lines_and_names_the_extra_of_the_command(wheel, tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("\n".join(f"{n}=={v}" for n, v in pins_of(LOCK.read_text()).items()))
    _good(sys.executable, "-m", "venv", "core", cwd=tmp_path)
    binaries = tmp_path / "core" / "bin"
    pip = (binaries / "python", "-m", "pip", "--disable-pip-version-check")
    _good(*pip, "install", "--retries", 10, "--constraint", pins, wheel, cwd=tmp_path)
    found = json.loads(_good(*pip, "list", "--format", "json", cwd=tmp_path))
    assert ABSENT & {one["name"] for one in found} == set()
    assert "kinoloop" in {one["name"] for one in found}
    small_movielens(tmp_path / "data" / "ml-100k")
    said = _good(binaries / "python", "-c", FIFTEEN_LINES.format(names=()), cwd=tmp_path)
    assert "ndcg@10" in said
    assert "user_id" in said
    asked = _run(binaries / "kinoloop", "--help", cwd=tmp_path)
    assert asked.returncode == 1
    assert '`pip install "kinoloop[platform]"`' in asked.stderr
