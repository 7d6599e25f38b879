import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kinoloop.ownership import OWNER, Owner

RUN = """
import sys, time
from kinoloop import ownership
ownership.WATCH_S, ownership.GRACE_S = 0.1, 1.0
ownership.end_with_owner()
print("begun", flush=True)
time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process, Owner.by_number(process.pid, tmp_path)
    process.kill()
    process.wait()


def _start(owner):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], env=owner.variable, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    return process


def test_run_ends_when_its_owner_is_killed(owner):
    process, mine = owner
    run = _start(mine)
    assert run.poll() is None
    process.kill()
    process.wait()
    _, said = run.communicate(timeout=600)
    assert run.returncode != 0
    assert f"`kinoloop up` (process {process.pid}) is gone: this run ends with it" in said


def test_run_ends_although_it_does_not_heed_a_termination(owner):
    process, mine = owner
    deaf = RUN.replace("import sys", "import signal, sys").replace(
        "print(", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint("
    )
    run = subprocess.Popen(
        [sys.executable, "-c", deaf], env=mine.variable, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout.readline() == "begun\n"
    process.kill()
    process.wait()
    run.communicate(timeout=600)
    assert run.returncode == 1


def test_process_number_that_was_used_again_is_not_the_owner(owner):
    process, mine = owner
    assert mine.lives
    assert not Owner(mine.pid, mine.since - 10.0, mine.place).lives
    process.kill()
    while psutil.Process(mine.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not mine.lives


def test_owner_lives_on_when_the_clock_of_the_machine_is_set(owner, monkeypatch):
    _, mine = owner
    boot, born = psutil.boot_time, psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot() + 3600)  # both are wall-clock times
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: born(self) + 3600)
    assert mine.lives
    assert Owner.by_number(mine.pid, Path(mine.place)) == mine


def test_owner_survives_the_environment(owner):
    _, mine = owner
    assert Owner.of(mine.variable) == mine
    assert Owner.of({}) is None
    assert Owner.of({OWNER: "half:"}) is None


def test_run_ends_when_its_server_refuses_connections(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        watching = RUN.replace("end_with_owner()", f"end_without({url!r})").replace(
            "ownership.WATCH_S,", "ownership.REFUSED_S, ownership.WATCH_S,"
        )
        watching = watching.replace("= 0.1, 1.0", "= 0.5, 0.1, 1.0")
        run = subprocess.Popen(
            [sys.executable, "-c", watching], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert run.stdout.readline() == "begun\n"
        server.accept()[0].close()
        assert run.poll() is None
    _, said = run.communicate(timeout=600)
    assert run.returncode != 0
    assert f"{url} has refused connections for 0 s: this run ends" in said
    assert "start it again" in said
