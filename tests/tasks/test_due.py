import polars as pl
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from kinoloop.environment import Environment
from kinoloop.schema import VIDEOS
from tasks import announce, due


@pytest.fixture
def environment(tmp_path, monkeypatch, prefect_server):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    return Environment()


def _arrive(environment, name):
    rows = pl.DataFrame([{"video_id": name, "title": "t"}], schema=VIDEOS)
    rows.write_delta(str(environment.data_dir / "videos"), mode="append")


def _extract(environment, *, meanwhile=lambda: None):
    @flow(name="extract")
    def run():
        seen = due.extraction_input(environment)
        meanwhile()
        due.note_extraction(environment, seen)

    run()


def test_without_videos_there_is_nothing_to_extract(environment):
    assert not due.is_extraction_due(environment)


def test_extraction_is_due_until_it_has_completed_and_again_when_videos_come(environment):
    _arrive(environment, "a")
    assert due.is_extraction_due(environment)

    def killed():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        _extract(environment, meanwhile=killed)
    assert due.is_extraction_due(environment)
    _extract(environment)
    assert not due.is_extraction_due(environment)
    _arrive(environment, "b")
    assert due.is_extraction_due(environment)


def test_videos_that_come_during_an_extraction_are_due_after_it(environment):
    _arrive(environment, "a")
    _extract(environment, meanwhile=lambda: _arrive(environment, "b"))
    assert due.is_extraction_due(environment)


def test_changed_settings_make_it_due(environment):
    _arrive(environment, "a")
    _extract(environment)
    environment.settings_file.write_text("[semantics]\nenabled = false\n")
    assert due.is_extraction_due(environment)


def test_ingest_announces_itself_only_where_extraction_has_work(environment, monkeypatch):
    announced = []
    monkeypatch.setattr(announce, "emit_event", lambda name, **_: announced.append(name))

    @flow(name="ingest")
    def ingest():
        pass

    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(ingest)
        deployment = client.create_deployment(flow_id, name="ingest")
        run = client.create_flow_run_from_deployment(deployment)
    announce.announce_videos(ingest, run, run.state)
    assert announced == []
    _arrive(environment, "a")
    announce.announce_videos(ingest, FlowRun(flow_id=flow_id), run.state)  # inside of the loop
    assert announced == []
    announce.announce_videos(ingest, run, run.state)
    assert announced == ["kinoloop.ingest.completed"]
