import http.server
import json
import os
import threading

import pytest

from cli import backends
from kinoloop.environment import Environment


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "KINOLOOP_MLFLOW_URI"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    yield Environment()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def server(monkeypatch):
    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setenv("KINOLOOP_PREFECT_PORT", str(web.server_port))
        yield web
        web.shutdown()


def test_without_servers_prefect_gets_a_home_of_ours_and_no_server(environment, tmp_path):
    assert not backends.is_up(environment)
    backends.connect(environment)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "state" / "prefect")
    assert "PREFECT_API_URL" not in os.environ


def test_commands_join_the_servers_that_are_up(environment, server):
    environment = Environment()
    backends.leave_note(environment)
    assert backends.is_up(environment)
    joined = backends.connect(environment)
    assert os.environ["PREFECT_API_URL"] == f"http://127.0.0.1:{server.server_port}/api"
    assert joined.tracking_uri == "http://127.0.0.1:5000"


def test_a_note_of_a_process_that_is_gone_counts_for_nothing(environment, server):
    environment = Environment()
    note = backends.leave_note(environment)
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"since": 1.0}))
    assert not backends.is_up(environment)
    note.write_text("{half")
    assert not backends.is_up(environment)


def test_a_server_that_does_not_answer_is_not_up(environment, monkeypatch):
    monkeypatch.setenv("KINOLOOP_PREFECT_PORT", "1")
    environment = Environment()
    backends.leave_note(environment)
    assert not backends.is_up(environment)


def test_variables_of_the_user_win(environment, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/else")
    backends.connect(environment)
    assert os.environ["PREFECT_HOME"] == "/somewhere/else"
