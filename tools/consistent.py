"""Check that every installed package finds what it requires, as `pip check`.

    python tools/consistent.py

Except for the carriers of pyproject.toml, of which one file is read and no code runs.
"""

import subprocess
import sys

from lock import carriers


def broken(found: str, without: set[str]) -> list[str]:
    """Return the complaints of `pip check` about packages other than `without`."""
    lines = [line for line in found.splitlines() if line.strip()]
    known = [line for line in lines if " requires " in line or " has requirement " in line]
    return [line for line in known if line.split(" ")[0] not in without]


def main() -> int:
    """Say what does not fit; status 1 if anything does not."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    without = {one.name for one in carriers()}
    found = broken(done.stdout, without)
    said = " requires " in done.stdout or " has requirement " in done.stdout
    if done.returncode != 0 and not said:
        found = [done.stdout + done.stderr]  # pip itself failed
    sys.stdout.write("\n".join(found or ["No broken requirements found."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
