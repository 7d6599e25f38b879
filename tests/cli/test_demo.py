import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from kinoloop.cli import demo
from kinoloop.cli.servers import Server, Servers
from kinoloop.environment import Environment
from kinoloop.errors import DataError, KinoloopError, ServerError
from kinoloop.sample import SampleConfig, build_world
from kinoloop.sample.write import write_batches
from tasks.results import PromoteSummary


@pytest.fixture
def batches(tmp_path):
    (tmp_path / "media").mkdir()
    write_batches(tmp_path, build_world(SampleConfig(videos=14, users=12, new_videos=3)))
    return tmp_path / "batches"


def test_batch_lands_once_and_whole(batches, tmp_path):
    landing = tmp_path / "landing"
    assert demo.land(batches / "01-history", str(landing)) == 9
    assert demo.land(batches / "01-history", str(landing)) == 0
    assert demo.land(batches / "02-last-week", str(landing)) == 2
    assert len(list((landing / "events").iterdir())) == 9
    copied = landing / "videos" / "sample-01-history-catalogue.parquet"
    original = batches / "01-history" / "videos" / "catalogue.parquet"
    assert copied.read_bytes() == original.read_bytes()


def test_sample_that_is_there_is_not_pulled_again(monkeypatch, batches):
    monkeypatch.setattr(demo, "BATCHES", batches)
    console = Console(record=True)
    demo.pull(console)
    assert "there already" in console.export_text()


def test_pull_that_fails_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="kinoloop sample data/sample"):
        demo.pull(Console())


def test_pull_brings_the_sample_from_a_fresh_clone_without_a_network(monkeypatch, tmp_path):
    """The pinned remote lies inside the repository, so that only files are copied."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-local", ".", str(clone)], check=True)
    monkeypatch.chdir(clone)
    demo.pull(Console())
    assert len(list((clone / "data" / "sample" / "media").glob("*.mp4"))) == 144
    status = subprocess.run(
        ["git", "status", "--short"], capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


def test_first_run_has_no_champion_to_skip_the_loop_for(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    assert not demo.has_champion(Environment())


def test_it_ends_at_once_and_names_the_gate_where_nothing_was_promoted(
    monkeypatch, tmp_path, batches
):
    """The servers are never asked to wait: that message is all there is to wait for."""
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    monkeypatch.setattr(demo, "BATCHES", batches)
    monkeypatch.setattr("kinoloop.cli.data.ingest", lambda **_: None)
    why = "coverage: 0.0000 of the videos, required ≥ 0.5; next: lower [promote] min_coverage"
    promoted = PromoteSummary(outcome="refused", version="1", refused_by=[why])
    done = SimpleNamespace(promote=promoted)
    monkeypatch.setattr("kinoloop.cli.drift.run_loop", lambda **_: done)
    (tmp_path / "state").mkdir()
    idle = Server(name="service", command=[sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setattr("kinoloop.cli.own_service.service", lambda *_, **__: idle)
    with (
        Servers(tmp_path / "logs") as servers,
        pytest.raises(KinoloopError, match=r"promote refused version 1 by\n  coverage: 0\.0000"),
    ):
        demo.run_loop(Environment(), demo.Steps(Console()), servers)


def test_what_is_waited_for_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr("kinoloop.cli.servers.PROGRESS_S", 0.0)
    console = Console(record=True)
    mute = Server(
        name="mute", command=[sys.executable, "-c", "import time; time.sleep(600)"],
        health="http://127.0.0.1:9/", patience_s=0.5,
    )  # fmt: skip
    with Servers(tmp_path) as servers:
        servers.start(mute)
        with pytest.raises(ServerError):
            servers.wait("mute", progress=demo.waiting(console, "the service"))
    assert "the service is not ready yet, " in console.export_text()


def test_a_service_that_refuses_the_champion_is_not_waited_for(monkeypatch, tmp_path):
    """A real server plays the service: alive, at work, and never ready."""
    monkeypatch.setattr("kinoloop.cli.servers.PROGRESS_S", 0.0)
    said = {"error": "release_refused", "what": "version 1 was refused", "next_step": "roll back"}
    server = tmp_path / "refusing.py"
    server.write_text(
        "import http.server, json, sys\n"
        "class Refusing(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(503); self.end_headers()\n"
        f"        self.wfile.write(json.dumps({said!r}).encode())\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Refusing).serve_forever()\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", str(port))
    service = Server(
        name="service",
        command=[sys.executable, str(server), str(port)],
        health=f"http://127.0.0.1:{port}/readyz",
    )
    with Servers(tmp_path / "logs") as servers:
        servers.start(service)
        with pytest.raises(KinoloopError, match=r"version 1 was refused; .*service\.log says why"):
            demo.wait_for_service(servers, Environment(), Console())


def test_once_is_read_from_the_environment():
    done = subprocess.run(
        [sys.executable, "-m", "kinoloop.cli", "demo", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ONCE" in done.stdout


def test_steps_show_their_seconds():
    console = Console(record=True, width=100)
    steps = demo.Steps(console)
    with steps.step("Boil water"):
        pass
    steps.total()
    shown = console.export_text()
    assert "▸ Boil water" in shown
    assert "in all" in shown
