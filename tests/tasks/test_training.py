import json

import polars as pl
import pytest
from filelock import FileLock

from kinoloop.encoders.base import identify
from kinoloop.encoders.fingerprint import text_space
from kinoloop.environment import Environment
from kinoloop.errors import DataError, KinoloopError
from kinoloop.registry.model_version import ModelVersion
from kinoloop.schema import ENCODERS
from kinoloop.training.outcome import Outcome
from tasks.retrain_plan import alone, plan_retrain
from tasks.training import text_encoder, train_candidate
from tasks.training_report import plot_candidates, plot_epochs, selection_page
from tasks.warm_start import Start, start_of
from tests.flows.toy_tables import write_toy_tables


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "kinoloop.toml").write_text(
        "[retrain]\nmin_interactions = 50\nvalidation_days = 4\ntest_days = 6\nmin_users = 50\n"
        "[extract]\nencoders = [{ kind = 'classical_audio' }, { kind = 'minilm' }]\n"
    )
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    return plan_retrain(Environment(), force=False)


def _outcome(name, ndcg, epochs=()):
    metrics = {"ndcg@10": ndcg, "hr@10": 0.1, "recall@20": 0.1, "mrr@10": 0.1, "coverage@10": 0.5}
    metrics["rows"] = 9.0
    return Outcome(
        name=name, settings={}, fit_seconds=1.5, epochs=list(epochs),
        validation=metrics, test=metrics, slices={},
    )  # fmt: skip


def test_one_retrain_at_a_time_and_what_was_left_is_cleared(plan):
    settings = plan.environment.settings_file
    settings.write_text(settings.read_text().replace("[retrain]", "[retrain]\nlock_wait_s = 0.1"))
    plan = plan_retrain(plan.environment, force=False)
    left = plan.work_dir.with_name("older")
    left.mkdir(parents=True)
    plan.work_dir.mkdir()
    with alone(plan):
        assert not left.exists()
        assert plan.work_dir.exists()
    with (
        FileLock(plan.work_dir.with_name(".lock")),
        pytest.raises(KinoloopError, match=r"another retrain holds .*\.lock for more than 0\.1 s"),
        alone(plan),
    ):
        pass


def test_an_error_inside_is_not_taken_for_a_held_lock(plan):
    with pytest.raises(ValueError, match="mine"), alone(plan):
        raise ValueError("mine")


def test_how_long_a_retrain_waits_makes_no_other_work_of_it(plan):
    settings = plan.environment.settings_file
    settings.write_text(settings.read_text().replace("[retrain]", "[retrain]\nlock_wait_s = 1"))
    assert plan_retrain(plan.environment, force=False).key == plan.key


@pytest.mark.parametrize("name", ["outcome.json", "model/state.safetensors", "per_user.parquet"])
def test_damaged_work_of_an_earlier_run_is_made_anew_with_a_warning(plan, name, caplog):
    settings = plan.environment.settings_file
    settings.write_text(settings.read_text().replace("min_users = 50", "min_users = 5"))
    write_toy_tables(plan.environment.data_dir, users=60)
    plan = plan_retrain(plan.environment, force=False)
    first = train_candidate.fn(
        plan, {"kind": "popularity"}, "popularity", start=Start(), anew=False
    )
    again = train_candidate.fn(
        plan, {"kind": "popularity"}, "popularity", start=Start(), anew=False
    )
    assert again.fit_seconds == first.fit_seconds  # taken from the folder
    damaged = plan.work_dir / "popularity" / name
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    anew = train_candidate.fn(plan, {"kind": "popularity"}, "popularity", start=Start(), anew=False)
    assert anew.test == first.test
    assert "holds damaged work of an earlier run, it is made again" in caplog.text
    assert Outcome.model_validate_json((plan.work_dir / "popularity/outcome.json").read_bytes())


def test_a_forced_plan_has_a_key_of_its_own(plan):
    forced = plan_retrain(plan.environment, force=True)
    assert forced.settings_hash == plan.settings_hash
    assert forced.key != plan.key


def test_a_window_with_too_few_users_is_named(plan):
    write_toy_tables(plan.environment.data_dir, users=40)
    with pytest.raises(DataError, match=r"window has \d+ users, expected at least 50"):
        _ = plan.training_data


def test_no_text_vectors_need_no_text_encoder(plan):
    assert text_encoder(plan.tables, {"audio": "x"}) == {}


def test_the_text_encoder_is_the_one_that_made_the_vectors(plan, caplog):
    made_by = identify({"kind": "minilm"})
    today = text_space(made_by)
    gone = {"kind": "hf_text", "model": str(plan.work_dir / "gone")}
    rows = [
        {"fingerprint": made_by, "modality": "text", "settings": json.dumps({"kind": "minilm"})},
        {"fingerprint": today, "modality": "text", "settings": json.dumps({"kind": "minilm"})},
        {"fingerprint": "a", "modality": "text", "settings": json.dumps({"kind": "minilm"})},
        {"fingerprint": "b", "modality": "text", "settings": json.dumps(gone)},
    ]
    pl.DataFrame(rows, schema=ENCODERS).write_delta(str(plan.tables.path("encoders")))
    # whatever the settings name by now
    for space in (made_by, today):  # of the first composition, and of today's
        assert text_encoder(plan.tables, {"text": space}) == {"text": {"kind": "minilm"}}
    assert text_encoder(plan.tables, {"text": "a"}) == {}
    assert f"are of a, but its encoder is {made_by}" in caplog.text
    assert text_encoder(plan.tables, {"text": "b"}) == {}
    assert "its encoder is gone (model" in caplog.text
    assert text_encoder(plan.tables, {"text": "never recorded"}) == {}


def test_the_page_names_winner_losers_and_failures():
    version = ModelVersion("7", "d", "r", None, {"dataset_version": "data-1"})
    second = _outcome("b", 0.2).model_copy(update={"chosen": {"prior_half_life_days": 2.0}})
    page = selection_page([_outcome("a", 0.1), second], {"c": "out of memory"}, version)
    assert "- b: the validation window chose `prior_half_life_days` 2." in page
    assert "- a:" not in page
    assert page.startswith("# b won: version 7 is registered")
    assert page.index("| b | 0.2000 |") < page.index("| a | 0.1000 |")
    assert "| c | failed: out of memory |" in page


def test_what_does_not_go_on_says_why(plan):
    version, kind = Start(version="1", digest="0" * 64), {"kind": "sequence"}
    said = start_of(plan, version, kind, anew=False)
    assert said == "[retrain] warm_kinds does not name its kind"
    assert start_of(plan, Start(why_not="no champion"), kind, anew=False) == "no champion"
    assert "its turn has come" in start_of(plan, version, kind, anew=True)
    said = start_of(plan, version, {"kind": "concat_match"}, anew=False)
    assert said == "version 1 kept no weights of it"


def test_the_page_tells_what_a_warm_start_saved_and_how_it_did_against_scratch():
    version = ModelVersion("7", "d", "r", None, {"dataset_version": "data-1"})
    warm = {"started_from": "version 6 (abc)", "cpu_seconds": 3.0, "scratch_cpu_seconds": 12.0}
    went_on = _outcome("a", 0.3).model_copy(update=warm)
    anew = {"scratch_because": "its turn has come", "cpu_seconds": 13.0}
    page = selection_page([went_on], {}, version)
    assert "3.0 CPU seconds, the newest training from scratch 12.0 (-9.0)." in page
    beside = _outcome("a-scratch", 0.2).model_copy(update=anew)
    page = selection_page([went_on, beside], {}, version)
    assert "| scratch: its turn has come |" in page
    assert "3.0 CPU seconds, from scratch, now 13.0 (-10.0)" in page
    assert "validation ndcg@10 +0.1000 against scratch." in page


def test_the_page_tells_what_the_ranker_brings():
    version = ModelVersion("7", "d", "r", None, {"dataset_version": "data-1"})
    name = "slates/ndcg@10"
    ranker = {"blend": 0.25, f"{name}_without": 0.2, name: 0.25, "test/auc": 0.7, "test/ece": 0.01}
    page = selection_page([_outcome("a", 0.3)], {}, version, ranker)
    assert "before and after its ranker (blend 0.25): ndcg@10 0.2000 → 0.2500; AUC 0.7" in page
    interval = {f"{name}_gain": 0.05, f"{name}_gain_low": 0.01, f"{name}_gain_high": 0.09}
    page = selection_page([_outcome("a", 0.3)], {}, version, {**ranker, **interval})
    assert "→ 0.2500, +0.0500 [+0.0100, +0.0900]; AUC" in page
    assert "ranker" not in selection_page([_outcome("a", 0.3)], {}, version)


def test_plots_are_drawn(tmp_path):
    epochs = [("loss", 1.0, 0), ("loss", 0.5, 1), ("once", 1.0, 0)]
    outcome = _outcome("a", 0.1, epochs)
    assert [p.name for p in plot_epochs(outcome, tmp_path)] == ["loss.png"]
    picture = plot_candidates([outcome, _outcome("b", 0.2)], tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")
