import polars as pl
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.errors import DataError
from kinoloop.schema import VIDEOS


@pytest.fixture
def kinoloop(tmp_path, monkeypatch):
    for name in ("DATA_DIR", "STATE_DIR", "SETTINGS_FILE"):
        monkeypatch.setenv(f"KINOLOOP_{name}", str(tmp_path / name.lower()))
    rows = [{"video_id": "v1", "title": "Snow"}]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tmp_path / "data_dir" / "videos"))

    def run(*arguments):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["label", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def test_what_is_said_is_listed_and_can_be_taken_back(kinoloop):
    assert "v1 is style: tutorial" in kinoloop("set", "v1", "tutorial")
    assert "v1 is not topic: weather" in kinoloop("set", "v1", "weather", "--no")
    assert "v1 is tag: my own" in kinoloop("set", "v1", "my own")
    listed = kinoloop("list", "v1")
    assert all(word in listed for word in ("tutorial", "weather", "my own", "yes", "no"))
    assert "forgotten: tag: my own of v1" in kinoloop("unset", "v1", "my own")
    assert "nobody has said anything of tag: my own of v1" in kinoloop("unset", "v1", "my own")
    assert "my own" not in kinoloop("list")


def test_a_later_answer_replaces_the_earlier_one(kinoloop):
    kinoloop("set", "v1", "tutorial")
    kinoloop("set", "v1", "tutorial", "--no")
    assert "yes" not in kinoloop("list")


def test_what_makes_no_sense_is_refused_by_name(kinoloop):
    with pytest.raises(DataError, match="no video has the id 'v2'"):
        kinoloop("set", "v2", "tutorial")
    with pytest.raises(DataError, match="no video has vectors yet; run `kinoloop extract` first"):
        kinoloop("next")
    with pytest.raises(DataError, match="no facet of the label file is called 'colour'"):
        kinoloop("next", "--facet", "colour")
