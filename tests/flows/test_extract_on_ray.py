"""The same shards on a real Ray of two workers: the same tables, also when a worker dies."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import MissingExtraError
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.service import free_port
from tasks.sharding import ray_runner
from tests.encoders import tiny_models

CLIPS, TEXTS = 6, 5
TRIES = 40  # eight were over within ten minutes at a load of 25


@pytest.fixture(scope="module")
def landing(tmp_path_factory):
    root = tmp_path_factory.mktemp("landing")
    for i in range(CLIPS):
        bar_clip(root / f"{i}.mp4", seconds=0.4, colour=(40 * i, 90, 200 - 30 * i))
    (root / "fake.mp4").write_text("no video")
    return root


@pytest.fixture
def run(tmp_path, landing, monkeypatch, prefect_server):
    """Extracts into a data directory of its own with a runner."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    model = tiny_models.text(tmp_path / "model")

    def extract(runner, address=""):
        from flows.extract import extract as flow

        root = tmp_path / runner
        root.mkdir()
        (root / "kinoloop.toml").write_text(
            f'[extract]\nrunner = "{runner}"\nshard_videos = 2\nshard_texts = 3\nencoders = [\n'
            f'  {{ kind = "hf_text", model = "{model}", max_tokens = 32 }},\n'
            '  { kind = "classical_visual" },\n  { kind = "classical_audio" },\n]\n'
            "[extract.ray]\ncpus = 1\nshards_ahead = 3\n[extract.guard]\nworkers = 1\n"
        )
        names = [*map(str, range(CLIPS)), "fake"]
        rows = [{"video_id": n, "title": f"red fox {n}", "media": f"{n}.mp4"} for n in names]
        rows += [{"video_id": f"text-{i}", "title": "jazz " * i} for i in range(TEXTS)]
        pl.DataFrame(rows, schema=VIDEOS).write_delta(str(root / "data" / "videos"))
        for name, value in {
            "DATA_DIR": root / "data",
            "STATE_DIR": root / "state",
            "LANDING": landing,
            "SETTINGS_FILE": root / "kinoloop.toml",
            "RAY_ADDRESS": address,
        }.items():
            monkeypatch.setenv(f"KINOLOOP_{name}", str(value))
        return flow(), Tables(root / "data")

    return extract


@pytest.fixture(scope="module")
def two_workers():
    """Address of a Ray of two workers; tried again where a busy machine is slower than Ray waits.

    A node gives its own agent 15 seconds to start, which cannot be changed, and ends where it does
    not.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--num-cpus", "2", "--include-dashboard", "false", "--disable-usage-stats"]
    variables = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # sockets take short paths only
        for attempt in range(TRIES):
            address, told = f"127.0.0.1:{free_port()}", Path(folder, f"told-{attempt}")
            where = ["--node-ip-address", "127.0.0.1", "--port", address.rpartition(":")[2]]
            where += ["--ray-client-server-port", str(free_port()), "--temp-dir", folder]
            with told.open("wb") as log:
                node = subprocess.Popen([*command, *where], stdout=log, stderr=log, env=variables)
            while node.poll() is None and "Ray runtime started" not in told.read_text():
                time.sleep(0.2)
            if node.poll() is None:
                break
        else:
            pytest.fail(told.read_text())
        yield address
        node.terminate()
        node.wait(60)


def digests(tables):
    """One per table, of all that is in it but the times of writing."""
    made = {}
    for name in ("features", "media", "quarantine", "encoders"):
        rows = tables.scan(name).collect()
        rows = rows.drop([c for c in rows.columns if c.endswith("_at") or c == "first_used"])
        lines = sorted(repr(row) for row in rows.iter_rows())
        made[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return made


@pytest.mark.slow
@pytest.mark.e2e
def test_ray_writes_the_same_tables_digest_for_digest(run, two_workers):
    here, at_home = run("local")
    there, away = run("ray", two_workers)
    assert digests(away) == digests(at_home)
    for fact in ("done", "outcomes", "reasons", "features", "missing", "fingerprints"):
        assert getattr(there.extraction, fact) == getattr(here.extraction, fact)


@pytest.mark.slow
@pytest.mark.e2e
def test_shard_whose_worker_dies_is_redone_once(run, two_workers):
    _, at_home = run("local")
    killed = []
    stop = threading.Event()

    def kill_the_first_owner_of_a_decoder():
        """Among the descendants of this process only: the Ray worker that decodes first."""
        while not stop.is_set() and not killed:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "kinoloop.media.worker" in process.cmdline():
                        killed.append(process.ppid())
                        os.kill(process.ppid(), signal.SIGKILL)
                        return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_first_owner_of_a_decoder)
    killer.start()
    try:
        report, away = run("ray", two_workers)
    finally:
        stop.set()
        killer.join()
    assert len(killed) == 1
    assert killed[0] != os.getpid()
    assert report.extraction.done == CLIPS + TEXTS + 1
    assert digests(away) == digests(at_home)


def test_ray_that_is_not_installed_is_an_error_that_names_the_fix(monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    match = r'needs prefect_ray.*pip install "kinoloop\[ray\]"`, or set runner = "local"'
    with pytest.raises(MissingExtraError, match=match):
        ray_runner(Environment())
