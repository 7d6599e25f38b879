import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.errors import DataError
from kinoloop.safety.config import SafetyConfig
from kinoloop.safety.screen import screen
from tests.safety.conftest import HARMFUL, World

run = CliRunner()


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return World(tmp_path / "data")


def test_review_lists_decides_undoes_and_logs(world):
    assert "No video waits" in run.invoke(app, ["review", "list"]).stdout
    assert "Nothing was ever marked" in run.invoke(app, ["review", "log"]).stdout
    world.say("[red]porn", HARMFUL["porn"])  # markup is text
    screen(world.tables, SafetyConfig())
    listed = run.invoke(app, ["review", "list", "--all"]).stdout
    assert "[red]porn" in listed
    assert "sexual 0.9" in listed
    assert "title: watch uncensored porn" in listed
    done = run.invoke(app, ["review", "approve", "[red]porn", "--by", "ada", "--why", "a parody"])
    assert done.exit_code == 0
    assert "takes effect with the next catalogue" in done.stdout
    assert "No video is withheld" in run.invoke(app, ["review", "list", "--all"]).stdout
    assert run.invoke(app, ["review", "undo", "[red]porn", "--by", "ada"]).exit_code == 0
    log = run.invoke(app, ["review", "log"]).stdout
    assert [word in log for word in ("undone", "a parody", "scores", "hidden")] == [True] * 4


def test_a_video_that_is_not_there_is_refused(world):
    world.say("fox", "red fox in the snow")
    done = run.invoke(app, ["review", "reject", "fix"])
    assert isinstance(done.exception, DataError)
    assert "'fix' is not in the catalogue of 1" in str(done.exception)
