"""Examples of the pages run, parse, or say why not."""

import re
import shlex
import tomllib

import click
import polars as pl
import pytest
import typer

from kinoloop.cli.finding import State
from kinoloop.cli.main import app
from kinoloop.cli.settings_check import settings
from kinoloop.environment import Environment
from kinoloop.schema import FEATURES, VIDEOS
from kinoloop.settings import SECTIONS
from tests.docs.pages import PAGES, ROOT, blocks_of

ALL = [*PAGES, ROOT / "README.md"]
SHELLS = ("bash", "sh", "console")
OF_THEIR_OWN = (
    *("library.md", "guides/adding-a-recommender.md", "guides/adding-an-encoder.md"),
    "guides/python-client.md",
)
"""Pages that have a test file, which runs their blocks with their plugin registered."""

COMMAND = typer.main.get_command(app)
assert isinstance(COMMAND, click.Group | typer.core.TyperGroup)
BLOCKS = [block for page in ALL for block in blocks_of(page)]
MENTIONS = [
    (page.name, *found)
    for page in ALL
    for found in re.findall(r"`kinoloop ([a-z]+)([^`]*)`", page.read_text(encoding="utf-8"))
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with tables in data/, as the pages take it for granted."""
    videos = [{"video_id": name, "title": name} for name in "abc"]
    pl.DataFrame(videos, schema=VIDEOS).write_delta(str(tmp_path / "data" / "videos"))
    vectors = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.0, 1.0]}
    features = [
        {"video_id": name, "content_hash": name, "modality": "text", "fingerprint": "f",
         "present": True, "vector": vector} for name, vector in vectors.items()
    ]  # fmt: skip
    pl.DataFrame(features, schema=FEATURES).write_delta(str(tmp_path / "data" / "features"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(b.language == "python" for b in blocks_of(page))],
    ids=lambda page: page.name,
)
def test_python_blocks_run_in_their_order(page, data):
    names = {"__name__": page.stem}
    for block in blocks_of(page):
        if block.language == "python" and not block.why_not_run and block.page not in OF_THEIR_OWN:
            exec(compile(block.code, f"{block.page}:{block.line}", "exec"), names)


def test_there_are_blocks_of_each_language():
    found = {block.language for block in BLOCKS}
    assert {"python", "toml", *SHELLS} <= found


def test_blocks_that_are_not_run_say_why():
    reasons = [block.why_not_run for block in BLOCKS if block.why_not_run]
    assert all(len(reason.split()) > 2 for reason in reasons)


@pytest.mark.parametrize(
    "line",
    [
        line.removeprefix("$ ")
        for block in BLOCKS
        if block.language in SHELLS
        for line in block.code.replace("\\\n", " ").splitlines()
        if line.removeprefix("$ ").startswith("kinoloop ")
    ],
)
def test_the_command_takes_what_shell_blocks_give_it(line):
    _, verb, *arguments = shlex.split(line, comments=True)
    command = COMMAND.commands[verb]
    while isinstance(command, click.Group | typer.core.TyperGroup) and arguments:
        verb, *arguments = arguments
        command = command.commands[verb]
    context = command.make_context(verb, arguments)
    assert context.args == []  # nothing was left over


@pytest.mark.parametrize(("page", "verb", "rest"), MENTIONS)
def test_mentioned_verbs_and_options_exist(page, verb, rest):
    assert verb in COMMAND.commands, page
    command, words = COMMAND.commands[verb], rest.split()
    while words and words[0] in getattr(command, "commands", {}):  # a verb within a group
        command = command.commands[words.pop(0)]
    known = {"--help", *(o for p in command.params for o in (*p.opts, *p.secondary_opts))}
    assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_named_benchmarks_and_targets_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"-m benchmarks\.(\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").is_file(), name
    targets = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert set(re.findall(r"`make ([a-z]+)[^`]*`", text)) <= set(targets)


@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if b.language == "toml" and b.page not in OF_THEIR_OWN],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_settings_are_such(block, tmp_path):
    sections = tomllib.loads(block.code)
    if set(sections) & set(SECTIONS):
        (tmp_path / "kinoloop.toml").write_text(block.code, encoding="utf-8")
        (finding,) = settings(Environment(settings_file=tmp_path / "kinoloop.toml"))
        assert finding.state is State.OK, finding
