"""A real extraction in a process group of its own, killed in the middle of its work."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import json, sys
from pathlib import Path
from kinoloop.data.tables import Tables
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.run import extract

root = Path(sys.argv[1])
config = ExtractConfig.model_validate_json(sys.argv[2])
report = extract(
    Tables(root / "data"), config, roots=Roots((root / "landing",)), state_dir=root / "state"
)
print(json.dumps(report.to_dict()))
"""


def start(world):
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(world.root), world.config.model_dump_json()],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=Path.cwd(),
    )


@pytest.mark.slow
def test_killed_extraction_loses_nothing_and_does_nothing_twice(world):
    videos = {f"v{i}": (f"red fox {i}", world.clip(f"{i}.mp4")) for i in range(10)}
    world.put(**videos, words="jazz")
    process = start(world)
    deadline = time.monotonic() + 1200
    while world.tables.version("features") < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = len(world.media())
    assert 0 < done < 10
    again = start(world)
    report = json.loads(again.communicate()[0])
    assert report["outcomes"] == {"ok": 10 - done}
    assert len(world.features()) == 33  # fails where one is there twice
    assert len(world.rows("media")) == 10
    assert all(row["present"] for key, row in world.features().items() if key[0] != "words")
