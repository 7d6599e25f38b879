import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from kinoloop.cli.logged import _doubts, _show_estimates
from kinoloop.cli.main import app
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.off_policy import Places, estimate
from kinoloop.promotion.off_policy import LoggedConfig, LoggedWindow
from kinoloop.ranking.config import RankerConfig
from kinoloop.settings import read_section
from kinoloop.training.model_selection import RetrainConfig, load_training_data
from tests.flows.toy_tables import write_toy_tables
from tests.promotion.logged_world import write_logged_tables

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


@pytest.fixture
def logs(home):
    shutil.rmtree(home / "data")
    write_logged_tables(home / "data", users=80, answers=600)
    return home


def test_policies_are_judged_by_what_was_shown_with_known_chances(logs):
    asked = ["evaluate", "--logged", "--no-champion", "--reward", "like", "--window", "test"]
    done = RUN.invoke(app, asked, env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines() if line.strip()]
    assert lines[0] == ["shown", "by", "answers", "like", "per", "answer"]
    assert lines[1][0] == "explore:1:40:softmax:30"
    said = json.loads((logs / "state" / "evaluation" / "logged.json").read_text())
    assert set(said["estimates"]) == {"without exploration", "popularity", "near"}
    near = said["estimates"]["near"]
    assert set(near["values"]) == {"ips", "snips", "dr", "dm"}
    (row,) = [line for line in done.output.splitlines() if line.strip().startswith("near ")][:1]
    value, low, high = near["values"]["snips"]
    assert f"{value:.4f} [{low:.4f}, {high:.4f}]" in row
    assert "wide intervals are honest here" in done.output


def test_a_candidate_that_there_is_not_is_told_before_anything_else(logs):
    done = RUN.invoke(app, ["evaluate", "nope", "--logged", "--no-champion", "--reward", "like"])
    assert "nope" in str(done.exception)
    assert done.output == ""


def test_what_is_said_of_a_policy_fits_its_weights(logs):
    window = LoggedWindow.read(
        Tables(logs / "data"),
        load_training_data(
            Tables(logs / "data"),
            read_section("retrain", RetrainConfig, logs / "kinoloop.toml"),
            InterestConfig(),
        ),
        LoggedConfig(reward="like"),
        RankerConfig(),
    )

    def judged(targets):
        n = len(targets)
        users, rewards, half = np.arange(n), np.arange(n) % 2.0, np.full(n, 0.5)
        places = Places(users, users, 0 * users, rewards, half, targets, half, half)
        return estimate(places, resamples=200)

    n = 400
    found = {
        "never": judged(np.zeros(n)),
        "sometimes": judged(np.tile([0.5, 0.0], n // 2)),
        "always": judged(np.tile([1.0, 0.0], n // 2)),
        "above": judged(np.full(n, 0.6)),
    }
    said = {
        name: [line for line in _doubts(window, found) if line.startswith(f"{name}:")]
        for name in found
    }
    (never,), (sometimes,), (above,) = said["never"], said["sometimes"], said["above"]
    assert "no place showed what it would have shown there" in never
    assert "the mean weight is 0.50 and not 1: what it would show was not always" in sometimes
    assert "the mean weight is 1.20, more than the 1 that is expected at most" in above
    assert "not always given a chance" not in above
    assert said["always"] == []
    assert not any("softmax" in line for lines in said.values() for line in lines)  # it is on
    uniform = np.full_like(window.logged.policies, "explore:1:40")
    window = replace(window, logged=replace(window.logged, policies=uniform))
    assert any('explore_by = "softmax"' in line for line in _doubts(window, found))

    shown = io.StringIO()
    _show_estimates(Console(file=shown, width=200), found)
    rows = [line.split() for line in shown.getvalue().splitlines() if line.strip()]
    (row,) = [row for row in rows if row[0] == "never"][:1]
    assert row == ["never", "–", "–", "–", "–", "0.5000"]


def test_clipped_weights_are_told(logs):
    asked = ["evaluate", "near", "--logged", "--no-champion", "--reward", "like", "--clip", "20"]
    done = RUN.invoke(app, asked, env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    said = json.loads((logs / "state" / "evaluation" / "logged.json").read_text())
    assert said["config"]["clip"] == 20
    clipped = said["estimates"]["near"]["support"]["clipped"]
    assert clipped > 0.2
    assert f"{clipped:.1%}" in done.output


def test_a_log_without_chances_is_no_traceback(home):
    done = RUN.invoke(app, ["evaluate", "--logged", "--no-champion"])
    assert "service with [policy] explore above 0" in str(done.exception)
