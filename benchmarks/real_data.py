"""Run verbs of the loop on a real data set, each as its own process, and measure what each costs.

    python benchmarks/real_data.py microlens PATH [--settings FILE] [--keep DIRECTORY]
    python benchmarks/real_data.py kuairand PATH --verbs ingest

Prints a table: verb, exit status, wall seconds, CPU seconds and peak memory of the process tree
(sum of resident sets, sampled every 50 ms). What each verb printed goes to `log-VERB.txt` beside
the data. Everything lives in a temporary directory unless `--keep` names one, which a service can
then be started on.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parent.parent
LOOP = ("ingest", "extract", "retrain", "promote")


def main() -> int:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description="Measure each verb of the loop on real data.")
    parser.add_argument("format", help="an importer, such as microlens")
    parser.add_argument("path", type=Path, help="the folder of the data set")
    parser.add_argument("--verbs", nargs="*", default=list(LOOP))
    parser.add_argument("--settings", type=Path, help="a settings file; default: kinoloop.toml")
    parser.add_argument("--keep", type=Path, help="directory to leave the state in")
    arguments = parser.parse_args()
    home = arguments.keep or Path(tempfile.mkdtemp(prefix="kinoloop-"))
    home.mkdir(parents=True, exist_ok=True)
    environment = _environment(home, arguments.settings)
    table = Table("verb", "status", "wall s", "CPU s", "peak MB", title=arguments.format)
    verbs = [("import", arguments.format, str(arguments.path)), *((v,) for v in arguments.verbs)]
    failed = 0
    for verb in verbs:
        status, wall, cpu, peak = _measure(verb, home, environment)
        failed += status != 0
        table.add_row(verb[0], str(status), f"{wall:.1f}", f"{cpu:.1f}", f"{peak / 1e6:.0f}")
    console = Console()
    console.print(table)
    console.print(f"state: {home}" if arguments.keep else f"logs: {home}")
    return 1 if failed else 0


def _environment(home: Path, settings: Path | None) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "KINOLOOP_DATA_DIR": str(home / "data"),
        "KINOLOOP_LANDING": str(home / "landing"),
        "KINOLOOP_STATE_DIR": str(home / "state"),
        "KINOLOOP_SETTINGS_FILE": str((settings or REPOSITORY / "kinoloop.toml").resolve()),
        "PREFECT_HOME": str(home / "prefect"),
    }


def _measure(
    verb: tuple[str, ...], home: Path, environment: dict[str, str]
) -> tuple[int, float, float, int]:
    """Run one verb; exit status, wall seconds, CPU seconds and peak bytes of the tree."""
    started = time.perf_counter()
    with (home / f"log-{verb[0]}.txt").open("w", encoding="utf-8") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "cli", "--verbose", *verb],
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


if __name__ == "__main__":
    sys.exit(main())
