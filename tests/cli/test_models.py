import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.duplicates.update import DuplicatesReport
from kinoloop.extraction.report import ExtractReport
from kinoloop.promotion.decision import Decision
from kinoloop.semantics.label import LabelReport
from tasks.results import (
    DriftSummary,
    ExtractSummary,
    IngestSummary,
    LoopSummary,
    PromoteSummary,
    PublishedCatalogue,
    PublishSummary,
    RetrainSummary,
    RollbackSummary,
)

RUN = CliRunner()
WHY = "coverage: 0.1 of the videos, required ≥ 0.5; next: look at [ranker]"


def _say(monkeypatch, flow, answer):
    """Let a flow answer at once: what is tested here is what a person reads."""
    import importlib

    monkeypatch.setattr("kinoloop.cli.backends.connect", lambda *_: None)
    monkeypatch.setattr(importlib.import_module(f"flows.{flow}"), flow, lambda **_: answer)


@pytest.mark.parametrize("verb", ["retrain", "promote", "rollback", "bento"])
def test_each_verb_explains_itself(verb):
    assert RUN.invoke(app, [verb, "--help"]).exit_code == 0


def test_retrain_shows_candidates_best_first_and_failures(monkeypatch):
    _say(monkeypatch, "retrain", RetrainSummary(
        outcome="trained", version="3", candidate="knn", failed={"mf": "no [memory]"},
        competed={
            "popularity": {"validation": 0.1, "test": 0.2}, "knn": {"validation": 0.3, "test": 0.1},
        },
        ranker={
            "test/auc": 0.7, "test/ece": 0.02, "slates/ndcg@10": 0.4, "slates/ndcg@10_without": 0.3,
        },
    ))  # fmt: skip
    said = RUN.invoke(app, ["retrain"]).output
    assert said.index("knn") < said.index("popularity")
    assert "Popularity beats knn on the test window: ndcg@10 0.2000 against 0.1000" in said
    assert "mf failed: no [memory]" in said
    assert "ranker: AUC 0.700, ECE 0.020" in said
    assert "0.4000, without 0.3000" in said.replace("\n", " ")
    assert "version 3 (knn) is registered" in said


def test_retrain_says_that_nothing_is_new(monkeypatch):
    _say(monkeypatch, "retrain", RetrainSummary(
        outcome="nothing new", version="3", candidate="knn", refused_by=[WHY]
    ))  # fmt: skip
    said = RUN.invoke(app, ["retrain"]).output
    assert "Nothing new: version 3 (knn)" in said
    assert f"version 3 refused by {WHY}" in said


@pytest.mark.parametrize(
    ("version", "refused_by", "said"),
    [
        (None, [], "no challenger waits; kinoloop retrain makes one"),
        ("4", [WHY], "version 4 was refused"),
        ("4", [WHY], f"version 4 refused by {WHY}"),
    ],
)
def test_promote_says_why_it_does_nothing(monkeypatch, version, refused_by, said):
    answer = PromoteSummary(outcome="nothing to do", version=version, refused_by=refused_by)
    _say(monkeypatch, "promote", answer)
    assert said in RUN.invoke(app, ["promote"]).output


def test_promote_shows_every_gate(monkeypatch):
    side = {
        "version": "4", "digest": "d", "name": "knn", "kind": "item_knn", "dataset_version": "x",
        "trained_until": None, "metrics": {},
    }  # fmt: skip
    gate = {"name": "coverage", "passed": False, "measured": "0.1", "required": "≥ 0.5"}
    decision = Decision.model_validate({
        "decided_at": "2026-01-01T00:00:00Z", "promoted": False, "challenger": side,
        "champion": None, "window_from": None, "window_until": None, "users": 3, "gain": None,
        "gates": [gate], "competed": {}, "notes": ["mind this"],
    })  # fmt: skip
    answer = PromoteSummary(outcome="refused", version="4", decision=decision, refused_by=[WHY])
    _say(monkeypatch, "promote", answer)
    said = RUN.invoke(app, ["promote"]).output
    assert "coverage" in said
    assert "failed" in said
    assert "mind this" in said
    assert f"version 4 refused by {WHY}" in said
    assert "version 4 (knn) stays challenger" in said
    assert "refresh" not in said


@pytest.mark.parametrize(
    ("refreshed", "told", "said"),
    [
        ("5", "version 5: good", "refresh: version 5: good\n"),
        ("", "refused: bad", "refresh: refused: bad; the proven version serves on"),
    ],
)
def test_promote_says_what_became_of_a_refresh(monkeypatch, refreshed, told, said):
    side = {
        "version": "4", "digest": "d", "name": "knn", "kind": "item_knn", "dataset_version": "x",
        "trained_until": None, "metrics": {},
    }  # fmt: skip
    decision = Decision.model_validate({
        "decided_at": "2026-01-01T00:00:00Z", "promoted": True, "challenger": side,
        "champion": None, "window_from": None, "window_until": None, "users": 3, "gain": None,
        "gates": [], "competed": {}, "notes": [],
    })  # fmt: skip
    _say(monkeypatch, "promote", PromoteSummary(
        outcome="promoted", version="4", decision=decision, refreshed=refreshed, refresh=told
    ))  # fmt: skip
    assert said in RUN.invoke(app, ["promote"]).output


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_narrow_terminal_cuts_neither_metrics_nor_gates(monkeypatch, columns):
    _say(monkeypatch, "retrain", RetrainSummary(
        outcome="trained", version="3", candidate="sequence-with-words",
        competed={"sequence-with-words": {"validation": 0.18349, "test": 0.2}},
    ))  # fmt: skip
    said = RUN.invoke(app, ["retrain"], env={"COLUMNS": columns}).output
    assert "0.1835" in said
    assert "…" not in said


def test_loop_names_the_gate_that_refused(monkeypatch):
    lack = "Not enough data: no events."
    _say(monkeypatch, "loop", LoopSummary(
        ingest=IngestSummary(accepted=1, rows=1, dataset_version="v2"),
        extract=ExtractSummary(
            extraction=ExtractReport(), labels=LabelReport(), duplicates=DuplicatesReport(),
            dataset_version="v2",
        ),
        publish=PublishSummary(outcome="nothing new"),
        drift=DriftSummary(fired=False, tests={}, verdict=lack, lacking={}, report="a.html"),
        retrain=None,
        promote=PromoteSummary(outcome="refused", version="4", refused_by=[WHY]),
    ))  # fmt: skip
    said = RUN.invoke(app, ["loop"]).output
    assert f"version 4 refused by {WHY}" in said
    assert lack in said


def test_publish_says_what_came_into_service(monkeypatch):
    made = PublishedCatalogue(
        model_version="3", number=2, digest="d", videos=1046, new=3, changed=1, withdrawn=0,
        seconds=0.42,
    )  # fmt: skip
    _say(monkeypatch, "publish", PublishSummary(outcome="published", published=[made]))
    said = RUN.invoke(app, ["publish"]).output
    assert "catalogue version 2 of model version 3: 1,046 videos, 3 new, 1 changed" in said
    _say(monkeypatch, "publish", PublishSummary(outcome="nothing new"))
    assert "Nothing to publish" in RUN.invoke(app, ["publish"]).output
    _say(monkeypatch, "publish", PublishSummary(outcome="no model"))
    assert "next: kinoloop retrain" in RUN.invoke(app, ["publish"]).output


def test_rollback_and_bento_say_what_they_did(monkeypatch):
    _say(monkeypatch, "rollback", RollbackSummary(version="1", replaced="2"))
    assert "version 1 is champion again" in RUN.invoke(app, ["rollback"]).output
    _say(monkeypatch, "bento", "/somewhere/v1")
    assert "/somewhere/v1" in RUN.invoke(app, ["bento"]).output
