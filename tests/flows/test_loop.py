import dataclasses

import polars as pl
import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows.loop import loop
from kinoloop.duplicates.update import DuplicatesReport
from kinoloop.environment import Environment
from kinoloop.extraction.report import ExtractReport
from kinoloop.registry.model_version import ModelVersion
from kinoloop.release.signature import load_signer
from kinoloop.semantics.label import LabelReport
from kinoloop.testing.drifting import START, make_world, write_landing
from tasks.loop import reason_to_retrain, report_loop
from tasks.results import (
    DriftSummary,
    ExtractSummary,
    IngestSummary,
    LoopSummary,
    PromoteSummary,
    PublishSummary,
)
from tests.flows.conftest import SETTINGS

WITH_WORDS = SETTINGS.replace("encoders = []", 'encoders = [{ kind = "minilm" }]')
DAY_28 = START.replace(month=2, day=2)


@pytest.fixture
def home(tmp_path, monkeypatch, settings, prefect_server):
    for name in ("data", "state"):
        monkeypatch.setenv(f"KINOLOOP_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    settings(WITH_WORDS)
    return tmp_path


def _loop_artifact():
    with get_client(sync_client=True) as client:
        found = [a for a in client.read_artifacts(limit=200) if a.key == "loop"]
        return max(found, key=lambda artifact: artifact.created).data


DONE = LoopSummary(
    ingest=IngestSummary(rows=3, findings={"odd": 1}, dataset_version="v2"),
    extract=ExtractSummary(
        extraction=ExtractReport(videos=7),
        labels=LabelReport(),
        duplicates=DuplicatesReport(),
        dataset_version="v2",
    ),
    publish=PublishSummary(outcome="nothing new"),
    drift=DriftSummary(fired=False, verdict="No drift.", tests={}, lacking={}, report="a.html"),
    retrain=None,
    promote=PromoteSummary(outcome="refused", refused_by=["coverage: 0.1"]),
)


@pytest.mark.slow
def test_takes_up_what_is_new_and_repeats_nothing(home, settings):
    world = make_world(1, users=60, drift_from=28)
    before, after = pl.col("timestamp") < DAY_28, pl.col("timestamp") >= DAY_28
    write_landing(dataclasses.replace(world, events=world.events.filter(before)), home / "landing")

    first = loop()
    assert first.ingest.accepted > 1000
    assert first.extract.extraction.done == 120
    assert first.retrain.outcome == "trained"
    assert first.promote.outcome == "promoted"
    assert "Retrained, because there is no champion yet." in _loop_artifact()

    again = loop()
    assert again.ingest.files == again.extract.extraction.done == 0
    assert again.drift.tests == {}  # nothing has come since
    assert again.retrain is None
    assert again.promote.outcome == "nothing to do"

    new = dataclasses.replace(world, events=world.events.filter(after))
    write_landing(new, home / "landing", name="last-week")
    third = loop()
    assert third.drift.fired is True
    assert third.drift.tests["mix event"] == "fired"
    assert third.retrain.outcome == "trained"
    assert third.retrain.version != first.retrain.version
    assert "Retrained, because drift was found." in _loop_artifact()

    lone = new.events.tail(1).with_columns(
        pl.col("timestamp") + pl.duration(days=30), user_id=pl.lit("late"), event=pl.lit("like")
    )
    write_landing(dataclasses.replace(new, events=lone), home / "landing", name="a-month-later")
    settings(WITH_WORDS.replace("min_users = 5\nvalidation", "min_users = 500\nvalidation"))
    fourth = loop()
    assert fourth.ingest.accepted >= 1
    assert fourth.retrain.outcome == "put off, too little new data"

    settings(WITH_WORDS)
    assert loop().retrain.outcome == "trained"  # one late event leaves no window empty


def test_new_data_alone_is_a_reason_to_retrain(environment, registry, monkeypatch):
    tags = {"dataset_version": "old", "signed_by": load_signer(environment).public}
    champion = ModelVersion("1", "0" * 64, "run", START, tags)
    monkeypatch.setattr("kinoloop.registry.client.ModelRegistry.champion", lambda _: champion)
    reason = reason_to_retrain.fn(Environment(), drift_fired=False)
    assert reason.startswith("the champion was made with dataset old, now there is tables-")


def test_the_same_data_is_no_reason_and_no_champion_is_one(home):
    assert reason_to_retrain.fn(Environment(), drift_fired=False) == "there is no champion yet"


def test_what_was_not_due_is_said_so(prefect_server):
    @flow
    def reporting():
        report_loop(DONE, "")

    reporting()
    assert "| ingest | files 0, rows 3, accepted 0" in _loop_artifact()
    assert "| extract | videos 7, pending 0" in _loop_artifact()
    assert "| retrain | not due |" in _loop_artifact()
    assert "No retrain was due." in _loop_artifact()


def test_the_artifact_names_the_gate_that_refused(prefect_server):
    @flow
    def reporting():
        report_loop(DONE, "")

    reporting()
    assert "- promote refused by coverage: 0.1\n" in _loop_artifact()
