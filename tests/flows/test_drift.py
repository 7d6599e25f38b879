import json
from dataclasses import asdict
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from typer.testing import CliRunner

from flows.drift import drift
from kinoloop.cli.main import app
from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.signature import load_signer
from kinoloop.testing.drifting import (
    START,
    champion_of,
    histories_of,
    make_world,
    timedelta,
    write_tables,
)
from serving.on_record import OnRecord
from tasks.failures import explain_failure
from tasks.results import DriftSummary

pytestmark = pytest.mark.usefixtures("prefect_server")

SETTINGS = """[drift]
tests = [
  {kind = "mix", column = "event"}, {kind = "quality"}, {kind = "mean_vector", modality = "text"},
]
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    (tmp_path / "kinoloop.toml").write_text(SETTINGS)
    return tmp_path


def _artifact(key):
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            sort=ArtifactSort.CREATED_DESC,
            limit=1,
        )
    return found[0]


def test_fires_writes_the_report_and_says_that_nothing_could_be_triggered(home, caplog):
    write_tables(make_world(1, users=60, drift_from=28), home / "data")
    result = drift()
    assert result.fired is True
    assert result.tests == {
        "mix event": "fired",
        "quality": "not enough data",
        "mean_vector text": "not enough data",
    }
    assert "run `kinoloop retrain`" in Path(result.report).read_text()
    assert "no deployment is called retrain/retrain" in caplog.text
    assert DriftSummary(**json.loads(json.dumps(asdict(result)))) == result
    assert Path(result.report).resolve().as_uri() in _artifact("drift").data


def test_inside_the_loop_nothing_is_triggered(home, caplog):
    write_tables(make_world(1, users=60, drift_from=28), home / "data")
    assert drift(trigger=False).fired is True
    assert "no deployment" not in caplog.text


def test_without_any_data_a_report_says_so(home):
    result = drift()
    assert result.fired is False
    assert result.tests == {}
    told = "Not enough data to look for drift: there are no events; next: kinoloop ingest."
    assert result.verdict == told
    assert told in Path(result.report).read_text()


def test_champion_is_fetched_from_the_registry_and_tested(home):
    world = make_world(2, users=60)
    write_tables(world, home / "data")
    champion = champion_of(world)
    bundle = home / "bundle"
    provenance = Provenance(
        name="knn",
        trained_until=START + timedelta(days=14),
        known_until=START + timedelta(days=28),
        metrics=champion.metrics,
    )
    write_bundle(
        bundle,
        recommender=champion.recommender,
        catalogue=champion.catalogue,
        histories=histories_of(world, until=28),
        provenance=provenance,
    )
    (home / "state").mkdir()
    load_signer(Environment()).sign(bundle)
    uri = f"sqlite:///{home / 'state' / 'mlflow.db'}"
    registry = ModelRegistry(uri)
    run_id = Runs(uri).start("knn", key="k", params={}, tags={})
    version = registry.register(bundle, run_id=run_id, tags={})
    registry.set_alias("champion", version.version)
    result = drift()
    assert result.tests["quality"] == "quiet"
    assert result.verdict.endswith("stayed quiet. 1 more had not enough data.")
    (looked,) = OnRecord(uri).look().drift.reports
    assert (looked.version, looked.verdict) == ("version 1, item_knn", result.verdict)
    assert {one.outcome for one in looked.tests} == {"quiet", "not enough data"}
    report = Path(result.report).read_text()
    assert "version 1, item_knn" in report
    assert "– 2026-02-02 00:00, in 4 periods" in report  # what was known, not only trained on


def test_a_retrain_deployment_is_started_where_there_is_one(home):
    @flow(name="retrain")
    def retrain():
        pass

    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(retrain)
        deployment = client.create_deployment(flow_id, name="retrain")
    write_tables(make_world(1, users=60, drift_from=28), home / "data")
    try:
        result = drift()
        with get_client(sync_client=True) as client:
            (run,) = [r for r in client.read_flow_runs() if r.deployment_id == deployment]
        assert run.name in Path(result.report).read_text()
    finally:
        with get_client(sync_client=True) as client:
            client.delete_deployment(deployment)


def test_a_failed_run_leaves_its_reason_and_the_next_step(home, caplog):
    (home / "kinoloop.toml").write_text('[drift]\ntests = [{kind = "mixx"}]')
    write_tables(make_world(1, users=5), home / "data")
    with pytest.raises(ValueError, match="no drift test is called 'mixx'"):
        drift()
    artifact = _artifact("failed-drift")
    assert "no drift test is called 'mixx'" in artifact.data
    assert "Check `[drift]` in kinoloop.toml" in artifact.data
    assert artifact.flow_run_id is not None
    assert "Next step: The champion stays in service." in caplog.text


def test_a_flow_without_advice_is_explained_too(caplog):
    @flow(name="nameless", on_failure=[explain_failure])
    def nameless():
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        nameless()
    assert "start nameless again" in _artifact("failed-nameless").data


def test_verb_says_that_nothing_is_new_and_prints_no_empty_table(home):
    world = make_world(1, users=20)
    write_tables(world, home / "data")
    bundle, known = home / "bundle", START + timedelta(days=35)
    champion = champion_of(world)
    write_bundle(
        bundle,
        recommender=champion.recommender,
        catalogue=champion.catalogue,
        histories=histories_of(world, until=35),
        provenance=Provenance(name="knn", trained_until=known, known_until=known),
    )
    (home / "state").mkdir()
    load_signer(Environment()).sign(bundle)
    uri = f"sqlite:///{home / 'state' / 'mlflow.db'}"
    run_id = Runs(uri).start("knn", key="k", params={}, tags={})
    registry = ModelRegistry(uri)
    registry.set_alias("champion", registry.register(bundle, run_id=run_id, tags={}).version)
    done = CliRunner().invoke(app, ["drift"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Not enough data to look for drift: less than a day of events ")
    assert "the champion knows them until 2026-02-09 00:00 UTC" in done.output.replace("\n", " ")
    assert "No drift" not in done.output
    assert "test" not in done.output.split("Report:")[0]


def test_verb_prints_each_outcome_and_the_report(home):
    write_tables(make_world(1, users=60, drift_from=28), home / "data")
    done = CliRunner().invoke(app, ["drift", "--no-trigger"])
    assert done.exit_code == 0, done.output
    assert "mix event" in done.output
    assert "Drift: 1 of 1 tests fired. 2 more had not enough data." in done.output
    assert "quality: there is no champion yet" in done.output
    assert "Report: " in done.output
