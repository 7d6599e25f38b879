import os
import signal
import subprocess
import sys
import time

import polars as pl
import psutil
import pytest

from kinoloop.cli.interrupts import SAID

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
COMMAND = """
import os, subprocess, sys, time
from kinoloop.cli import interrupts
interrupts.interrupts_of_this_process.grace_s = float(sys.argv[1])
def say(news):  # in one call of the system: an interrupt within print() says it twice
    os.write(1, f"{news}\\n".encode())
class Noisy:
    def __del__(self):
        raise RuntimeError("said by a library that was interrupted")
def work():
    noisy = Noisy()
    say("begun")
    time.sleep(600)
def deaf():
    news = "begun"
    while True:
        try:
            say(news)
            time.sleep(600)
        except KeyboardInterrupt:
            news = "heard"
def computing():
    raise KeyboardInterrupt  # as Polars does, past our handler
def flow():
    from prefect.utilities.engine import capture_sigterm  # takes SIGTERM over, as a run does
    with capture_sigterm():
        work()
def up():
    import tempfile
    from pathlib import Path
    from rich.console import Console
    from kinoloop.cli.servers import Server, Servers
    from kinoloop.cli.stack import hold
    class Held(Servers):
        def watch(self):
            say("begun")
            super().watch()
    with tempfile.TemporaryDirectory() as logs, Held(Path(logs)) as servers:
        for name in ("first", "second"):
            servers.start(Server(name, [sys.executable, "-c", "import time; time.sleep(600)"]))
        hold(servers, Console())
def parent():
    forked = os.fork()
    if not forked:
        time.sleep(600)
    say(forked)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    say(child.pid)
    deaf()
os.register_at_fork(after_in_child=lambda: time.sleep(0.5))  # signals come before it is itself
with interrupts.interruptible():
    locals()[sys.argv[2]]()
"""


@pytest.fixture(autouse=True)
def heard():
    """A test run that was started in the background is deaf, and so would be what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _start(what, *, grace_s=600.0):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(grace_s), what],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def _ended(number):
    return 128 + number, SAID[number].decode()


@BOTH
@pytest.mark.parametrize("what", ["work", "flow"])
def test_interrupted_command_says_one_line_and_no_traceback(what, number):
    command = _start(what)
    assert command.stdout.readline() == "begun\n"
    command.send_signal(number)
    _, said = command.communicate()
    assert (command.returncode, said) == _ended(number)


def test_interrupt_that_a_library_heard_first_ends_the_command_all_the_same():
    command = _start("computing")
    _, said = command.communicate()
    assert (command.returncode, said) == _ended(signal.SIGINT)


@BOTH
def test_command_that_does_not_heed_ends_after_the_grace(number):
    command = _start("deaf", grace_s=0.5)
    assert command.stdout.readline() == "begun\n"
    command.send_signal(number)
    _, said = command.communicate()
    assert (command.returncode, said) == _ended(number)


@BOTH
def test_second_interrupt_ends_the_command_and_what_it_started_at_once(number):
    command = _start("parent")
    forked, child = (psutil.Process(int(command.stdout.readline())) for _ in range(2))
    assert command.stdout.readline() == "begun\n"
    forked.send_signal(signal.SIGTERM)  # it dies of it, and its parent hears nothing
    while forked.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    command.send_signal(number)
    assert command.stdout.readline() == "heard\n"
    command.send_signal(number)
    _, said = command.communicate()
    assert (command.returncode, said) == _ended(number)
    psutil.wait_procs([child], timeout=600)
    assert not child.is_running()


@BOTH
def test_a_command_that_holds_servers_stops_them_in_order_and_ends_well(number):
    command = _start("up")
    assert command.stdout.readline() == "begun\n"
    started = psutil.Process(command.pid).children(recursive=True)
    assert len(started) >= 2
    command.send_signal(number)
    out, said = command.communicate()
    assert (command.returncode, out, said) == (0, "Stopping …\n", SAID[number].decode())
    assert not any(process.is_running() for process in started)


def test_command_in_the_background_of_a_script_stays_deaf():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = _start("deaf", grace_s=0.0)
    assert command.stdout.readline() == "begun\n"
    command.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert command.poll() is None
    command.kill()
    command.communicate()


@pytest.mark.slow
@BOTH
def test_ingest_can_be_interrupted_at_any_moment_and_leaves_nothing_behind(tmp_path, number):
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREFECT_")}
    for folder in ("videos", "events"):
        (tmp_path / "landing" / folder).mkdir(parents=True)
    (tmp_path / "landing" / "videos" / "a.csv").write_text("video_id,title\nv1,One\n")
    (tmp_path / "landing" / "events" / "a.csv").write_text(
        "user_id,video_id,timestamp,event\nanna,v1,2025-12-30T10:00:00Z,like\n"
    )

    def ingest():
        return subprocess.Popen(
            [sys.executable, "-m", "kinoloop.cli", "ingest"], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    state, data = tmp_path / ".kinoloop", tmp_path / "data"
    moments = {
        "the server starts": state / "logs" / "prefect-of-command.log",
        "the flow runs": tmp_path / ".data.ingest" / "lock",
        "the batch is committed": data / "events" / "_delta_log" / "00000000000000000000.json",
    }
    for name, sign in moments.items():
        command = ingest()
        while not sign.exists():
            assert command.poll() is None, command.communicate()
            time.sleep(0.01)
        started = psutil.Process(command.pid).children(recursive=True)
        if number == signal.SIGINT:
            os.killpg(command.pid, number)  # as a terminal does: all of its group
        else:
            command.send_signal(number)
        said = command.communicate()[1]
        status, line = _ended(number)
        assert command.returncode == status, (name, said)
        assert said.endswith(line), (name, said)
        assert "Traceback" not in said, name
        assert not psutil.wait_procs(started, timeout=600)[1], name
    command = ingest()
    out, said = command.communicate()
    assert command.returncode == 0, (out, said)
    assert pl.read_delta(str(data / "events")).height == 1
