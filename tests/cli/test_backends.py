import contextlib
import http.server
import json
import os
import threading

import pytest
from prefect import flow, get_client, get_run_logger

from kinoloop.cli import access, backends
from kinoloop.environment import Environment
from kinoloop.ownership import Owner


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
    assert backends.find_up(environment) is None
    backends.connect(environment)
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "state" / "prefect")
    assert "PREFECT_API_URL" not in os.environ


def test_commands_join_the_servers_that_are_up(environment, server):
    environment = Environment()
    backends.leave_note(environment)
    assert backends.find_up(environment).pid == os.getpid()
    joined = backends.connect(environment)
    assert Owner.of(dict(os.environ)) == Owner.me(environment.state_dir / "logs")
    assert os.environ["PREFECT_API_URL"] == f"http://127.0.0.1:{server.server_port}/api"
    assert joined.tracking_uri == "http://127.0.0.1:5000"


def test_a_note_of_a_process_that_is_gone_counts_for_nothing(environment, server):
    environment = Environment()
    note = backends.leave_note(environment)
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"since": 1.0}))
    assert backends.find_up(environment) is None
    note.write_text("{half")
    assert backends.find_up(environment) is None


def test_a_server_that_does_not_answer_is_not_up(environment, monkeypatch):
    monkeypatch.setenv("KINOLOOP_PREFECT_PORT", "1")
    environment = Environment()
    backends.leave_note(environment)
    assert backends.find_up(environment) is None


def test_slow_server_is_waited_for_while_its_up_runs(environment, server, monkeypatch, caplog):
    monkeypatch.setattr(backends, "SAY_S", 0.05)
    backends.leave_note(Environment())
    answer, slow = server.RequestHandlerClass.do_GET, threading.Event()

    def late(handler):
        if not slow.wait(timeout=0.2):
            slow.set()
        with contextlib.suppress(BrokenPipeError):
            answer(handler)

    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", late)
    assert backends.find_up(Environment()) is not None
    assert "but its Prefect server has not answered" in caplog.text


def test_token_is_for_our_own_servers_only(environment, monkeypatch):
    backends.connect(environment)
    token = access.load_token(environment)
    assert os.environ["PREFECT_API_AUTH_STRING"] == token
    assert os.environ["PREFECT_SERVER_API_AUTH_STRING"] == token  # also the server of one flow
    monkeypatch.delenv("PREFECT_API_AUTH_STRING")
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    backends.connect(environment)
    assert "PREFECT_API_AUTH_STRING" not in os.environ


def test_variables_of_the_user_win(environment, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", "/somewhere/else")
    backends.connect(environment)
    assert os.environ["PREFECT_HOME"] == "/somewhere/else"


def test_what_prefect_has_left_to_say_is_said_before_its_server_goes(prefect_server):
    @flow
    def talk() -> None:
        for number in range(5):
            get_run_logger().info("line %d", number)

    with backends.settled():
        talk(return_state=True)
    with get_client(sync_client=True) as client:
        said = [log.message for log in client.read_logs() if log.message.startswith("line")]
    assert sorted(said) == [f"line {number}" for number in range(5)]
