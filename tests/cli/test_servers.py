"""Real, tiny processes: what must never happen is that one of them outlives its owner."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest

from kinoloop.cli.servers import Server, Servers
from kinoloop.errors import ConfigError, ServerError

# a server that has a child of its own, in a session of its own, as BentoML's workers are
SERVER = """
import http.server, pathlib, subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep, start_new_session=True)
pathlib.Path(sys.argv[2]).write_text(str(child.pid))
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""
OWNER = """
import sys, time
from pathlib import Path
from kinoloop.cli.servers import Server, Servers
servers = Servers(Path(sys.argv[1]))
servers.start(Server(name="web", command=sys.argv[2:]))
servers.wait("web")
time.sleep(600)
"""


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def command(port, tmp_path):
    return [sys.executable, "-c", SERVER, str(port), str(tmp_path / "child.pid")]


def _server(command, port):
    return Server(
        name="web",
        command=command,
        health=f"http://127.0.0.1:{port}/",
        port=port,
        port_setting="KINOLOOP_WEB_PORT",
        patience_s=30,
    )


def _gone(pid, within=600.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def _pid(path, within=600.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_server_answers_inside_the_block_and_is_gone_after_it(command, port, tmp_path):
    with Servers(tmp_path / "logs") as servers:
        servers.start(_server(command, port))
        assert servers.wait("web") > 0
        assert httpx.get(f"http://127.0.0.1:{port}/").is_success
        child = _pid(tmp_path / "child.pid")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")
    assert _gone(child)


def test_nothing_is_left_when_the_owner_is_killed(command, port, tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "logs"), *command])
    child = _pid(tmp_path / "child.pid")
    server = psutil.Process(child).ppid()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert _gone(child)
    assert _gone(server)


def test_sigterm_stops_the_servers_like_an_interrupt(command, port, tmp_path):
    with Servers(tmp_path / "logs") as servers:
        servers.start(_server(command, port))
        servers.wait("web")
        child = _pid(tmp_path / "child.pid")
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(KeyboardInterrupt):
            servers.watch()
    assert _gone(child)


def test_port_in_use_names_the_variable_that_moves_it(command, port, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with Servers(tmp_path) as servers, pytest.raises(ConfigError) as caught:
            servers.start(_server(command, port))
    assert f"port {port} of web on 127.0.0.1 is in use" in str(caught.value)
    assert f"KINOLOOP_WEB_PORT={port + 1}" in str(caught.value)


def test_server_that_ends_by_itself_shows_the_end_of_its_log(port, tmp_path):
    failing = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]
    with Servers(tmp_path) as servers:
        servers.start(_server(failing, port))
        with pytest.raises(ServerError, match=r"web ended with status 3(.|\n)*no such table"):
            servers.wait("web")


def test_server_that_shows_no_sign_of_life_runs_out_of_patience(port, tmp_path):
    mute = Server(
        name="mute",
        command=[sys.executable, "-c", "import time; time.sleep(600)"],
        health=f"http://127.0.0.1:{port}/",
        patience_s=3,
    )
    with Servers(tmp_path) as servers:
        servers.start(mute)
        with pytest.raises(ServerError, match=r"mute is not ready .* neither computed nor written"):
            servers.wait("mute")


def test_server_that_is_slow_but_writes_is_waited_for_beyond_its_patience(port, tmp_path):
    slow = (
        "import http.server, sys, time\n"
        "for step in range(30): print('step', step, flush=True); time.sleep(0.2)\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), "
        "http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    server = Server(
        name="slow",
        command=[sys.executable, "-c", slow],
        health=f"http://127.0.0.1:{port}/",
        patience_s=4,
    )
    with Servers(tmp_path) as servers:
        servers.start(server)
        assert servers.wait("slow") > server.patience_s


def test_progress_is_reported_while_a_server_starts(monkeypatch, port, tmp_path):
    monkeypatch.setattr("kinoloop.cli.servers.PROGRESS_S", 0.0)
    told = []
    failing = [sys.executable, "-c", "import time; print('migrating', flush=True); time.sleep(2)"]
    with Servers(tmp_path) as servers:
        servers.start(_server(failing, port))
        with pytest.raises(ServerError):
            servers.wait("web", progress=told.append)
        assert servers.last_line("web") == "migrating"
    assert told == sorted(told)
    assert told[-1] > 1.0


def test_what_a_killed_command_left_is_ended_by_the_next_one(command, port, tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "logs"), *command])
    child = _pid(tmp_path / "child.pid")
    supervisor = psutil.Process(psutil.Process(child).ppid()).parent()
    for process in (supervisor.pid, owner.pid):  # as if by `killall -9`: nobody is left to clear up
        os.kill(process, signal.SIGKILL)
    owner.wait()
    assert psutil.pid_exists(child)
    with Servers(tmp_path / "elsewhere") as other:
        assert other.clear() == 0
    with Servers(tmp_path / "logs") as servers:
        assert servers.clear() >= 1
    assert _gone(child)


def test_watch_raises_when_a_server_ends(tmp_path):
    short = Server(name="short", command=[sys.executable, "-c", "import time; time.sleep(0.3)"])
    with Servers(tmp_path) as servers:
        servers.start(short)
        with pytest.raises(ServerError, match="short ended with status 0"):
            servers.watch()
