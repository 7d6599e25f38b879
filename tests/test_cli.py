"""The command as a whole; each verb has its own test under tests/cli/."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text
from typer.main import get_command
from typer.testing import CliRunner

from kinoloop.cli import main
from kinoloop.cli.main import app
from kinoloop.cli.settings_check import OF_THE_SERVICE
from kinoloop.errors import ConfigError, DataError

HEAVY = (
    *("torch", "prefect", "mlflow", "bentoml", "transformers", "great_expectations", "av"),
    *("httpx", "numpy", "polars", "psutil", "pydantic"),
)
ASK_FOR_HELP = f"""
import sys
sys.argv = ["kinoloop", "--help"]
from kinoloop.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=600, check=False
    )


def test_help_imports_nothing_heavy():
    done = _run("-c", ASK_FOR_HELP)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout


def test_help_lists_the_verbs():
    done = _run("-m", "kinoloop.cli", "--help")
    assert "sample" in done.stdout


def test_no_word_of_help_is_read_as_markup():
    for text in _help_texts(get_command(app)):
        assert Text.from_markup(text).plain == text


def _help_texts(command):
    yield command.help or ""
    yield from (getattr(each, "help", None) or "" for each in command.params)
    for each in getattr(command, "commands", {}).values():
        yield from _help_texts(each)


def test_error_on_purpose_ends_in_its_message_and_status_1(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    done = _run("-m", "kinoloop.cli", "sample", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [["review", "list"], ["up"], ["publish"]])
def test_a_misspelt_setting_is_refused_by_any_verb_before_it_does_anything(tmp_path, verb):
    settings = tmp_path / "kinoloop.toml"
    settings.write_text("[policy]\nexplor = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "kinoloop.cli", *verb], capture_output=True, text=True,
        cwd=tmp_path, check=False, timeout=600,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no setting 'policy.explor'; did you mean explore?" in done.stderr
    assert list(tmp_path.iterdir()) == [settings]


WRONG_VALUES = [  # what a worker of the service would refuse at its start, again and again
    ('[policy]\nexplore_by = "soft"\n', "", "policy.explore_by: Input should be 'uniform'"),
    ('[[policy.limits]]\ncolumn = "creator_id"\n', "", "policy.limits.0.most: Field required"),
    ('[[policy.pins]]\nvideo_id = "v"\nplace = 0\n', "", "policy.pins.0.place: Input should be"),
    (
        '[[policy.pins]]\nvideo_id = "v"\nstarts = 2026-02-01T00:00:00Z\n'
        "ends = 2026-01-01T00:00:00Z\n",
        "",
        "policy.pins.0: ",
    ),
    ("[interest]\nview = 0\n", "", "interest.view: Input should be greater"),
    ("", "mongodb://name:secret@host/0", "KINOLOOP_STATE_URL is 'mongodb://…@host/0'"),
    ("", "redis://name:secret@host:no/0", "KINOLOOP_STATE_URL is 'redis://…'; expected such as"),
]


@pytest.mark.parametrize("verb", ["serve", "up", "demo"])
@pytest.mark.parametrize(("settings", "state", "says"), WRONG_VALUES)
def test_a_wrong_value_is_refused_before_the_service_starts(
    monkeypatch, tmp_path, verb, settings, state, says
):
    (tmp_path / "kinoloop.toml").write_text(settings)
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_STATE_URL", state)
    monkeypatch.setattr(os, "execvpe", lambda *_: pytest.fail("the service was started"))
    done = CliRunner().invoke(app, [verb])
    assert isinstance(done.exception, ConfigError)
    assert says in str(done.exception)
    assert "secret" not in str(done.exception)
    assert not (tmp_path / "state").exists()


def test_every_section_that_the_service_reads_is_checked_before_it_starts():
    found = set()
    for path in Path(main.__file__).parents[2].joinpath("serving").glob("*.py"):
        found |= set(re.findall(r'read_section\(\s*"(\w+)"', path.read_text()))
    assert found == set(OF_THE_SERVICE)


def _failed(name: str, error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        found = sys.exc_info()
    return logging.LogRecord(name, logging.ERROR, "x.py", 1, "failed", None, found)


def test_what_prefect_says_of_a_failed_run_is_left_to_the_last_line():
    assert not main._not_repeated(_failed("prefect.flow_runs", DataError("no")))
    assert main._not_repeated(_failed("kinoloop.ingestion.commit", DataError("no")))


@pytest.mark.slow
def test_refused_batch_is_reported_once_with_the_next_step(tmp_path):
    events = tmp_path / "landing" / "events"
    events.mkdir(parents=True)
    (events / "a.csv").write_text("user_id\nanna\n")
    places = {
        f"KINOLOOP_{name}": str(tmp_path / name.lower())
        for name in ("DATA_DIR", "STATE_DIR", "LANDING", "SETTINGS_FILE")
    }
    done = subprocess.run(
        [sys.executable, "-m", "kinoloop.cli", "ingest"],
        env=os.environ | places, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert said.count("column_exists") == 1, said
    assert said.count("run `kinoloop ingest`") == 1, said
    assert "Traceback" not in said


def test_errors_on_purpose_are_logged_without_traceback_and_others_with():
    ours, bug = _failed("prefect.flow_runs", DataError("no")), _failed("x", KeyError("bug"))
    assert main._without_traceback(ours)
    assert main._without_traceback(bug)
    assert ours.exc_info is None
    assert bug.exc_info is not None
