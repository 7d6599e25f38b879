import pytest
from prefect.client.orchestration import get_client

from flows.ingest import ingest
from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import unversioned
from kinoloop.errors import BatchError
from tests.ingestion.landing_zone import EVENTS, VIDEOS, Zone


@pytest.fixture
def zone(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS + "anna,v1,2025-12-30T10:00:00Z,stare,9\n")
    return zone


def artifact(key):
    with get_client(sync_client=True) as client:
        found = [a for a in client.read_artifacts(limit=200) if a.key == key]
        return max(found, key=lambda artifact: artifact.created).data


def test_what_has_arrived_becomes_tables_and_a_report(prefect_server, zone, tmp_path):
    done = ingest()
    assert (done.files, done.rows, done.accepted, done.quarantined) == (2, 5, 4, 1)
    assert done.findings == {"event_kind_unknown": 1}
    assert str(done.dataset_version).startswith("tables-")
    assert Tables(tmp_path / "data").scan("events").collect().height == 2
    text = artifact("ingest-batch")
    assert "| events/a.csv | 3 | 2 | 1 | 0 |" in text
    assert "event_kind_unknown | 1 | quarantined | event is none of" in text
    assert (tmp_path / "state" / "data_docs" / "index.html").as_uri() in text

    left_by_a_kill = unversioned(zone.tables)
    left_by_a_kill.touch()
    again = ingest()
    assert not left_by_a_kill.exists()
    assert (again.files, again.dataset_version) == (0, done.dataset_version)

    zone.put("events/b.csv", "user_id,video_id\nanna,v1\n")
    with pytest.raises(BatchError, match=r"events/b\.csv, column 'timestamp' failed column_exists"):
        ingest()
    assert "events/b.csv" in artifact("ingest-set-aside")
    told_once = ingest()
    assert (told_once.files, told_once.set_aside, len(told_once.standing)) == (0, [], 1)

    zone.put("events/c.csv", EVENTS.replace("T1", "T2"))
    zone.put("events/d.csv", "user_id,user_id\nanna,v1\n")
    done = ingest()
    assert (done.accepted, len(done.set_aside), len(done.standing)) == (2, 1, 1)
    assert "events/d.csv, column 'user_id', was set aside" in artifact("ingest-batch")
    assert ingest.name == "ingest"
