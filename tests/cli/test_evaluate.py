import re

import polars as pl
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from tests.flows.toy_tables import write_toy_tables

RUN = CliRunner()


@pytest.fixture
def home(monkeypatch, tmp_path):
    write_toy_tables(tmp_path / "data", users=80)
    (tmp_path / "kinoloop.toml").write_text(
        "[retrain]\nvalidation_days = 4\ntest_days = 6\nmin_interactions = 10\nmin_users = 2\n"
        '[[retrain.candidates]]\nkind = "popularity"\n'
        '[[retrain.candidates]]\nkind = "item_knn"\nname = "near"\n'
    )
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    return tmp_path


def test_evaluate_prints_a_table_and_leaves_plots_and_per_user_results(home):
    done = RUN.invoke(app, ["evaluate", "--no-champion"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    names = [line.split()[0] for line in done.output.splitlines() if line.strip()]
    assert names.index("near") < names.index("popularity")
    for name in ("standings", "tradeoff", "slices"):
        assert (home / "state" / "evaluation" / f"{name}.png").stat().st_size > 5000
    frame = pl.read_parquet(home / "state" / "evaluation" / "per_user.parquet")
    assert set(frame["recommender"]) == {"popularity", "near"}


@pytest.mark.parametrize("columns", [60, 80])
def test_a_narrow_terminal_cuts_no_number(home, columns):
    wide = RUN.invoke(app, ["evaluate", "--no-champion"], env={"COLUMNS": "300"})
    narrow = RUN.invoke(app, ["evaluate", "--no-champion"], env={"COLUMNS": str(columns)})
    numbers = re.compile(r"[+-]?\d\.\d{4}")
    assert "…" not in narrow.output
    assert sorted(numbers.findall(narrow.output)) == sorted(numbers.findall(wide.output))


def test_single_candidates_can_be_named_by_kind(home):
    done = RUN.invoke(
        app, ["evaluate", "user_knn", "near", "--no-champion", "--window", "validation"],
        env={"COLUMNS": "200"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "user_knn" in done.output
    assert "popularity " not in [line.split()[0] for line in done.output.splitlines() if line]


def test_a_victory_of_popularity_is_warned_of(home):
    done = RUN.invoke(app, ["evaluate", "popularity", "--no-champion"])
    assert "Popularity won: nobody gets a slate of their own" in done.output


def test_an_unknown_window_is_named(home):
    done = RUN.invoke(app, ["evaluate", "--window", "tomorrow"])
    assert "--window is 'tomorrow'" in str(done.exception)
