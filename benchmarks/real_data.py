"""Run verbs of the loop on a real data set, each as its own process, and measure what each costs.

    python -m benchmarks.real_data microlens PATH [--settings FILE] [--keep DIRECTORY]
    python -m benchmarks.real_data kuairand PATH --verbs ingest

Prints a table: verb, exit status, wall seconds, CPU seconds and peak memory of the process tree
(sum of resident sets, sampled every 50 ms). What each verb printed goes to `log-VERB.txt` beside
the data. Everything lives in a temporary directory unless `--keep` names one, which a service can
then be started on.

Needs: the folder of a public data set (PATH)
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness.verbs import environment_of, run_verb

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
    environment = environment_of(home, arguments.settings)
    table = Table("verb", "status", "wall s", "CPU s", "peak MB", title=arguments.format)
    verbs = [("import", arguments.format, str(arguments.path)), *((v,) for v in arguments.verbs)]
    failed = 0
    for verb in verbs:
        status, wall, cpu, peak = run_verb(verb, home, environment)
        failed += status != 0
        table.add_row(verb[0], str(status), f"{wall:.1f}", f"{cpu:.1f}", f"{peak / 1e6:.0f}")
    console = Console()
    console.print(table)
    console.print(f"state: {home}" if arguments.keep else f"logs: {home}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
