"""Run every benchmark that needs nothing but this repository, and say what the others need.

    python -m benchmarks              # `make bench`; takes hours
    python -m benchmarks --list       # which would run, and which need what
    python -m benchmarks drift serve  # these only

A benchmark that needs data says so in its docstring, in a line `Needs: …`, and is passed over. One
that has to be told what to do says in a line `By itself: …` with which arguments it runs here.
Ends with status 1 if one of them did.
"""

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path != Path(__file__)))


def main() -> int:
    """List or run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=(*NAMES, []), help="default: all")
    parser.add_argument("--list", action="store_true", help="run nothing")
    wanted = parser.parse_args()
    failed = []
    for name in wanted.names or NAMES:
        if needs := said_in(name, "Needs: "):
            print(f"-- {name} is passed over; it needs {needs}", flush=True)
            continue
        command = [f"benchmarks.{name}", *said_in(name, "By itself: ").split()]
        print(f"== {' '.join(command)}", flush=True)
        if wanted.list:
            continue
        started = time.monotonic()
        status = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        print(f"   status {status} after {time.monotonic() - started:.0f} s", flush=True)
        failed += [name] if status else []
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def said_in(name: str, label: str) -> str:
    """Read what a line of a benchmark's docstring says after a label; "" where it has none."""
    code = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    lines = (ast.get_docstring(code) or "").splitlines()
    return next((line.removeprefix(label) for line in lines if line.startswith(label)), "")


if __name__ == "__main__":
    sys.exit(main())
