import dataclasses
import importlib
import inspect

import pytest
from prefect.serializers import JSONSerializer, PickleSerializer

from kinoloop.duplicates.update import DuplicatesReport
from kinoloop.extraction.report import ExtractReport
from kinoloop.promotion.decision import Decision
from kinoloop.semantics.label import LabelReport
from tasks.results import ExtractSummary, PromoteSummary

FLOWS = ["drift", "extract", "ingest", "loop", "promote", "prune", "retrain", "rollback"]
DECISION = {
    "decided_at": "2026-01-01T00:00:00Z", "promoted": False, "champion": None,
    "challenger": {
        "version": "4", "digest": "d", "name": "knn", "kind": "item_knn", "dataset_version": "x",
        "trained_until": None, "metrics": {"ndcg@10": 0.1},
    },
    "window_from": None, "window_until": None, "users": 3, "gain": None,
    "gates": [{"name": "coverage", "passed": False, "measured": "0.1", "required": "≥ 0.5"}],
    "competed": {}, "notes": [],
}  # fmt: skip


@pytest.mark.parametrize("name", FLOWS)
def test_each_flow_returns_a_frozen_dataclass(name):
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    returned = inspect.signature(flow.fn).return_annotation
    assert dataclasses.is_dataclass(returned)
    assert returned.__dataclass_params__.frozen


@pytest.mark.parametrize("serializer", [JSONSerializer(), PickleSerializer()])
def test_prefect_can_keep_a_result_and_read_it_back(serializer):
    extraction = ExtractReport(videos=2, fingerprints={"text": "f"})
    extraction.outcomes.update(["ok", "ok"])
    extracted = ExtractSummary(
        extraction=extraction,
        labels=LabelReport(done=2),
        duplicates=DuplicatesReport(),
        dataset_version="v1",
    )
    decision = Decision.model_validate(DECISION)
    promoted = PromoteSummary(outcome="refused", decision=decision, refused_by=["coverage"])
    for done in (extracted, promoted):
        assert serializer.loads(serializer.dumps(done)) == done
