"""The examples of docs/library.md, run in order as they stand there.

A block of `text` after a block of Python is what it prints, to the letter. Blocks of `console` were
printed on MovieLens-100k, which is not a part of the project: a made folder of that name stands in.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kinoloop.models.base import RECOMMENDERS
from kinoloop.training.model_selection import RetrainConfig
from tests.docs.pages import DOCS

TEXT = (DOCS / "library.md").read_text(encoding="utf-8")
TUTORIAL, PLUG_IN = TEXT.split("## Write a plug-in")
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```(text|console)\n(.*?)```)?", flags=re.DOTALL)


def _movielens(folder):
    """As many users and films as the page names, each rating on a day of its own."""
    folder.mkdir()
    rows = [
        f"{user}\t{film}\t{1 + (user * film) % 5}\t{880_000_000 + 86_400 * (film % 40) + user}"
        for user in range(180, 220)
        for film in range(1, 200)
        if (user * film) % 7 < 3
    ]
    (folder / "u.data").write_text("\n".join(rows))
    flags = ("|".join("1" if flag == genre else "0" for flag in range(19)) for genre in (5, 8))
    genres = [*flags] * 100
    films = [f"{film}|Film {film}|||http://x|{genres[film]}" for film in range(1, 200)]
    (folder / "u.item").write_text("\n".join(films))


@pytest.fixture
def place(tmp_path, monkeypatch):
    _movielens(tmp_path / "ml-100k")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _own_recommenders(monkeypatch):
    """Hide what other tests register when they are collected: the page lists Kinoloop's own."""
    for name, home in RECOMMENDERS._homes.items():
        if home.startswith("tests."):
            monkeypatch.delitem(RECOMMENDERS._found, name)


@pytest.mark.usefixtures("place", "_own_recommenders")
def test_the_tutorial_runs_and_prints_what_it_says():
    names, compared = {}, 0
    for code, kind, expected in BLOCK.findall(TUTORIAL):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "library.md", "exec"), names)
        if kind == "text":
            compared += 1
            assert [line.rstrip() for line in said.getvalue().splitlines()] == expected.splitlines()
    assert compared >= 5


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The plug-in of the page, packaged and installed into a folder of its own."""
    source, target = tmp_path_factory.mktemp("lately"), tmp_path_factory.mktemp("target")
    project, settings = re.findall(r"```toml\n(.*?)```", PLUG_IN, flags=re.DOTALL)
    (module,) = re.findall(r"```python\n(.*?)```", PLUG_IN, flags=re.DOTALL)
    (source / "pyproject.toml").write_text(project)
    (source / "kinoloop_lately.py").write_text(module)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, *options, str(source)], check=True, capture_output=True, text=True)
    return target, settings


WITH_IT = """
import sys
import polars as pl
import kinoloop as kl
from kinoloop.training.model_selection import build_candidate

assert "lately" in kl.RECOMMENDERS.names()
assert "kinoloop_lately" not in sys.modules
rows = [(f"u{u}", f"v{(u + d) % 5}", f"2026-01-{d + 1:02d}") for u in range(9) for d in range(4)]
events = pl.DataFrame(rows, schema=["user_id", "video_id", "timestamp"], orient="row")
train, test = kl.Dataset.from_frames(events).split("leave_one_out")
model = kl.build("lately", days=7).fit(train)
table = kl.evaluate({"lately": model}, test, metrics=("ndcg", "precision"))
assert 0 < table.frame["precision@10"][0] <= 0.1
model.save("folder")
assert kl.load("folder").recommend("u1").equals(model.recommend("u1"))
assert build_candidate({"kind": "lately", "days": 7}, seed=0).config.days == 7
try:
    kl.build("lately", weeks=1)
except kl.ConfigError as err:
    print(err)
"""


def test_the_plug_in_of_the_page_works_where_it_is_installed(installed, tmp_path):
    target, _ = installed
    environment = {**os.environ, "PYTHONPATH": str(target)}
    run = subprocess.run(
        [sys.executable, "-c", WITH_IT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "there is no setting 'weeks'; there are days, prior_half_life_days" in run.stdout


def test_the_settings_of_the_page_are_settings(installed):
    _, settings = installed
    config = RetrainConfig.model_validate(tomllib.loads(settings)["retrain"])
    assert config.extra_metrics == ["precision"]
    assert config.candidates == [{"kind": "lately", "days": 7}]


def test_every_group_of_entry_points_is_in_the_table_of_the_page():
    package = Path(DOCS).parent / "kinoloop"
    groups = {
        group
        for path in package.rglob("*.py")
        for group in re.findall(r'group="(kinoloop\.\w+)"', path.read_text(encoding="utf-8"))
    }
    assert len(groups) == 5
    assert groups == set(re.findall(r"^\| `(kinoloop\.\w+)` \|", PLUG_IN, flags=re.MULTILINE))
