import ast
import re
import subprocess
import sys

import pytest

from kinoloop.cli.machine_checks import ROOT

FOLDER = ROOT / "benchmarks"
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "__main__.py")
REQUIRED = re.compile(r'add_argument\("[a-z]\w*"(?![^)]*nargs="[?*]")|add_subparsers')


@pytest.fixture(scope="module")
def listed():
    command = [sys.executable, "-m", "benchmarks", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_every_benchmark_runs_or_says_what_it_needs(listed):
    assert len(listed) == len(FILES)
    assert any(line.startswith("-- ablate is passed over; it needs a directory") for line in listed)
    assert "== benchmarks.labels titles" in listed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_runs_by_itself_asks_for_no_argument_that_it_is_not_given(listed, path):
    if f"== benchmarks.{path.stem}" in listed:
        assert not REQUIRED.search(path.read_text())


def test_no_test_imports_a_benchmark():
    imported = [
        (path.name, node.lineno)
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchmarks"
    ]
    assert imported == []


def test_the_gpu_benchmark_runs_where_six_packages_and_what_they_need_are_all_there_is():
    packages = "torch,transformers,peft,safetensors,numpy,pydantic"
    command = [
        sys.executable, "-m", "tests.bare_machine", packages, "benchmarks.gpu", "--small",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    for section, lines in (("pictures", 3), ("sequence", 2), ("language", 2)):
        assert sum(line.startswith(f"{section}: ") for line in told) == lines
    assert "fed by decoding: left out, PyAV is not installed" in done.stdout
    assert "weights trained in torch.float32" in done.stdout
