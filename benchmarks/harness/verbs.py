"""Verbs of the loop as a user runs them, each in a process of its own, with what each costs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def environment_of(home: Path, settings: Path | None = None) -> dict[str, str]:
    """Variables under which data, landing zone and state live in `home`."""
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "KINOLOOP_DATA_DIR": str(home / "data"),
        "KINOLOOP_LANDING": str(home / "landing"),
        "KINOLOOP_STATE_DIR": str(home / "state"),
        "KINOLOOP_SETTINGS_FILE": str((settings or REPOSITORY / "kinoloop.toml").resolve()),
        "PREFECT_HOME": str(home / "prefect"),
    }


def run_verb(
    verb: tuple[str, ...], home: Path, environment: dict[str, str]
) -> tuple[int, float, float, int]:
    """Run one verb; exit status, wall seconds, CPU seconds and peak bytes of the tree.

    What it prints goes to `log-VERB.txt` in `home`.
    """
    started = time.perf_counter()
    with (home / f"log-{verb[0]}.txt").open("w", encoding="utf-8") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "kinoloop.cli", "--verbose", *verb],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        peak, cpu = 0, 0.0
        while process.poll() is None:
            resident, seconds = _tree(process)
            peak, cpu = max(peak, resident), max(cpu, seconds)
            time.sleep(0.05)
    return process.returncode, time.perf_counter() - started, cpu, peak


def _tree(process: psutil.Process) -> tuple[int, float]:
    resident, seconds = 0, 0.0
    try:
        for member in (process, *process.children(recursive=True)):
            times = member.cpu_times()
            resident += member.memory_info().rss
            seconds += times.user + times.system + times.children_user + times.children_system
    except psutil.NoSuchProcess:
        pass
    return resident, seconds
