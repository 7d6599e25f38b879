import json
import threading

import pytest

from kinoloop.errors import RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from serving import on_record
from serving.on_record import NO_REGISTRY, NOT_YET, NOTHING_DECIDED, OnRecord
from tests.serving.conftest import make_bundle

GAIN = {"mean": 0.02, "low": 0.01, "high": 0.03, "users": 90, "confidence": 0.95}
GATES = [
    {"name": "enough users", "passed": True, "measured": "90", "required": "50"},
    {
        "name": "coverage",
        "passed": False,
        "measured": "1 %",
        "required": "5 %",
        "next_step": "wait",
    },
]


def _side(version, ndcg):
    return {"version": version, "name": "knn", "kind": "item_knn", "metrics": {"ndcg@10": ndcg}}


FIRST = {"decided_at": "2026-05-01T10:00:00Z", "promoted": True, "challenger": _side("1", 0.2),
         "champion": None, "gain": None, "way": "first", "users": 90, "gates": GATES[:1],
         "notes": ["a note"]}  # fmt: skip
WORSE = {"decided_at": "2026-05-02T10:00:00Z", "promoted": False, "challenger": _side("2", 0.21),
         "champion": _side("1", 0.19), "gain": GAIN, "way": "", "users": 90, "gates": GATES,
         "notes": []}  # fmt: skip
BACK = {"decided_at": "2026-05-03T10:00:00Z", "restored": "1", "left": "2"}
DRIFT = {"created": "2026-05-02T03:00:00Z", "champion": "version 1, item_knn", "fired": True,
         "verdict": "Drift: 1 of 2 tests fired.", "action": "A run was started.", "dataset": "d",
         "tests": [{"name": "mix event", "title": "Mix of event", "level": "tables", "value": 0.3,
                    "outcome": "fired", "effect": "PSI", "threshold": 0.2, "p_value": 0.001,
                    "said": "More views."}]}  # fmt: skip


@pytest.fixture
def tracking_uri(tmp_path):
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def log(tracking_uri, tmp_path):
    """A run with a registered version; logs texts with it."""
    runs = Runs(tracking_uri)
    run_id = runs.start("knn", key="k", params={}, tags={})
    registry = ModelRegistry(tracking_uri)
    registry.register(make_bundle(tmp_path / "b"), run_id=run_id, tags={"promoted": "evidence"})
    return lambda path, text: runs.log_text(run_id, text, path)


def test_decisions_quality_and_drift_are_read_newest_first(log, tracking_uri, caplog):
    for at, record in enumerate((FIRST, WORSE, BACK), 1):
        log(f"decisions/2026050{at}T100000.json", json.dumps(record))
    log("decisions/20260504T100000.json", '{"decided_at": ')  # cut off
    log("decisions/20260505T100000.json", "[1]")
    log("decisions/20260501T100000.md", "# for people")
    log("drift/20260502T030000.json", json.dumps(DRIFT))
    seen = OnRecord(tracking_uri).look()
    assert seen.decisions.unknown_because is None
    rolled_back, refused, promoted = seen.decisions.decisions
    assert (rolled_back.outcome, rolled_back.version, rolled_back.champion) == (
        "rolled back",
        "1",
        "2",
    )
    assert (refused.outcome, refused.version, refused.gain.low) == ("refused", "2", 0.01)
    assert refused.refusals == ["coverage: 1 %, required 5 %; next: wait"]
    assert (promoted.outcome, promoted.way, promoted.notes) == ("promoted", "first", ["a note"])
    assert [(p.version, p.ndcg, p.challenger, p.challenger_ndcg) for p in seen.quality.points] == [
        ("1", 0.2, None, None),
        ("1", 0.19, "2", 0.21),
    ]
    (looked,) = seen.drift.reports
    assert (looked.fired, looked.version) == (True, "version 1, item_knn")
    assert (looked.tests[0].value, looked.tests[0].said) == (0.3, "More views.")
    assert caplog.text.count("is damaged and was passed over") == 2


def test_a_promotion_that_was_killed_before_the_alias_moved_is_no_decision(log, tracking_uri):
    registry = ModelRegistry(tracking_uri)
    log("decisions/20260501T100000.json", json.dumps(FIRST))
    registry.connection.client.delete_model_version_tag("kinoloop", "1", "promoted")
    seen = OnRecord(tracking_uri).look()
    assert seen.decisions.unknown_because == NOTHING_DECIDED
    registry.set_tag("1", "promoted", "evidence")
    assert OnRecord(tracking_uri).look().quality.points[0].version == "1"


def test_an_empty_registry_says_that_nothing_was_decided(tracking_uri):
    assert OnRecord(tracking_uri).look().decisions.unknown_because == NOTHING_DECIDED


def test_a_service_of_one_bundle_asks_no_registry():
    seen = OnRecord(None).look()
    told = (seen.decisions, seen.quality, seen.drift)
    assert [one.unknown_because for one in told] == [NO_REGISTRY] * 3


def test_a_registry_that_is_away_costs_its_figures_and_says_so(monkeypatch, tracking_uri):
    def away(_):
        raise RegistryError("list the versions: MLflow at http://mlflow is away")

    monkeypatch.setattr(on_record, "_read", away)
    assert "MLflow at http://mlflow is away" in OnRecord(tracking_uri).look().drift.unknown_because


def test_a_registry_that_is_silent_keeps_nobody_waiting(monkeypatch, tracking_uri):
    asked, over = [], threading.Event()

    def silent(_):
        asked.append(1)
        over.wait()

    monkeypatch.setattr(on_record, "_read", silent)
    monkeypatch.setattr(on_record, "PATIENCE_S", 0.01)
    record = OnRecord(tracking_uri)
    for _ in range(3):
        assert record.look().quality.unknown_because == NOT_YET
    assert len(asked) == 1
    over.set()
