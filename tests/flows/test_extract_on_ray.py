"""The same shards on a real Ray of two workers: the same tables, also when a worker dies."""

import contextlib
import hashlib
import os
import signal
import sys
import threading
import time

import polars as pl
import psutil
import pytest

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip
from tasks.sharding import ray_runner
from tests.encoders import tiny_models

CLIPS, TEXTS = 6, 5


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
    model = tiny_models.text(tmp_path / "model")

    def extract(runner, **environment):
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
        }.items():
            monkeypatch.setenv(f"KINOLOOP_{name}", str(value))
        return flow(), Tables(root / "data")

    return extract


@pytest.fixture
def two_workers():
    """A Ray of two workers in this test; the flow finds it and leaves it running."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, namespace="prefect")
    yield
    ray.shutdown()


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
    there, away = run("ray")
    assert digests(away) == digests(at_home)
    for fact in ("done", "outcomes", "reasons", "features", "missing", "fingerprints"):
        assert there[fact] == here[fact]


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
    report, away = run("ray")
    stop.set()
    killer.join()
    assert len(killed) == 1
    assert killed[0] != os.getpid()
    assert report["done"] == CLIPS + TEXTS + 1
    assert digests(away) == digests(at_home)


def test_ray_that_is_not_installed_is_an_error_that_names_the_fix(monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'kinoloop\[ray\]'.*runner = \"local\""):
        ray_runner(Environment())
