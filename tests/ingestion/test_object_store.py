"""The landing zone on S3: a real client against a local S3 server."""

import logging

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from kinoloop.errors import ConfigError
from kinoloop.ingestion.landing import look, open_landing, write
from serving.live_event import LiveEvent, Parcel
from serving.outbox import Outbox
from serving.sqlite_state import SqliteState
from tests.ingestion.landing_zone import EVENTS, VIDEOS, Zone

LANDING = "s3://zone/landing"


class ObjectZone(Zone):
    """A zone whose landing files are objects."""

    def __init__(self, root):
        super().__init__(root)
        self.landing = LANDING

    def put(self, name, content):
        files, root = open_landing(LANDING)
        write(files, f"{root}/{name}", content.encode())


@pytest.fixture
def zone(tmp_path, monkeypatch):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="zone")
    fsspec.filesystem("s3").clear_instance_cache()
    yield ObjectZone(tmp_path)
    server.stop()
    fsspec.filesystem("s3").clear_instance_cache()


def test_an_object_store_is_ingested_and_takes_feedback_back(zone, tmp_path):
    assert look(LANDING, zone.tables).new == []
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS)
    assert zone.ingest().total("accepted") == 4
    assert zone.ingest() is None
    state = SqliteState(tmp_path / "live.db")
    moment = 1_767_100_000_000_000  # 2025-12-30
    state.record([LiveEvent("e1", "p", "v1", "view", 1.5, None, moment)], [Parcel("anna")])
    assert Outbox(state, LANDING, max_rows=10).export() == 1
    assert zone.ingest().total("accepted") == 1
    assert zone.rows("events").height == 3


def test_a_scheme_that_nothing_can_open_says_what_to_install_and_no_password():
    with pytest.raises(ConfigError, match="smb://…@host/in cannot be opened") as caught:
        open_landing("smb://me:s3cret@host/in")
    assert "s3cret" not in str(caught.value)
    assert "KINOLOOP_LANDING" in str(caught.value)
    with pytest.raises(ConfigError, match="nonsense://x cannot be opened"):
        open_landing("nonsense://x")
