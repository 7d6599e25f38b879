import tomllib

from typer.testing import CliRunner

from kinoloop.cli.main import app
from tests.flows.toy_tables import write_toy_tables

RUN = CliRunner()


def _home(monkeypatch, tmp_path):
    write_toy_tables(tmp_path / "data", users=80)
    (tmp_path / "kinoloop.toml").write_text(
        "[retrain]\nvalidation_days = 4\ntest_days = 6\nmin_interactions = 10\nmin_users = 2\n"
        '[[retrain.candidates]]\nkind = "item_knn"\nname = "short"\ntop_n = 5\n'
    )
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))


def test_tune_writes_a_block_that_the_settings_take(monkeypatch, tmp_path):
    _home(monkeypatch, tmp_path)
    done = RUN.invoke(app, ["tune", "short", "--trials", "3", "--minutes", "1"])
    assert done.exit_code == 0, done.output
    block = (tmp_path / "state" / "tuning" / "short.toml").read_text()
    (candidate,) = tomllib.loads(block)["retrain"]["candidates"]
    assert candidate["name"] == "short"
    assert candidate["top_n"] == 5
    assert {"decay", "shrinkage"} <= set(candidate)
    assert "[[retrain.candidates]]" in done.output


def test_an_unknown_kind_is_named(monkeypatch, tmp_path):
    _home(monkeypatch, tmp_path)
    done = RUN.invoke(app, ["tune", "oracle"])
    assert "no recommender is called 'oracle'" in str(done.exception)


def test_a_budget_without_an_end_is_refused():
    done = RUN.invoke(app, ["tune", "ease", "--minutes", "inf"])
    assert "--minutes is inf; expected a finite number" in str(done.exception)
    assert RUN.invoke(app, ["tune", "ease", "--minutes", "nan"]).exit_code == 2
