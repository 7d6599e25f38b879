"""Write requirements.lock: the exact versions that are installed and tested together.

    python tools/lock.py            # writes requirements.lock from the active environment
    python tools/lock.py --check    # status 1 if it would change

Walks from the dependencies and the `dev` group of pyproject.toml through the metadata of what is
installed, so that packages which only happen to be there stay out. To move a version: install it
into the environment, run the tests, write the lock again.
"""

import argparse
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
BUILD = ("setuptools>=80",)  # so that installing the project itself downloads nothing
HEADER = (
    "# The exact set tested together (Python 3.11, Linux x86-64), written by tools/lock.py\n"
    "# from an environment in which the tests passed; do not edit by hand.\n"
)


def main() -> int:
    """Write or check the lock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    wanted = parser.parse_args()
    text = HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(closure().items()))
    if wanted.check:
        same = LOCK.exists() and LOCK.read_text(encoding="utf-8") == text
        sys.stdout.write(f"{LOCK.name} is {'up to date' if same else 'out of date'}\n")
        return 0 if same else 1
    LOCK.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{LOCK.name}: {text.count('==')} packages\n")
    return 0


def closure() -> dict[str, str]:
    """Everything that the project needs, by canonical name, with the installed public version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    roots = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *BUILD]
    waiting = [Requirement(root) for root in roots]
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = sorted(requirement.extras)
        for extra in ["", *extras]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            package = metadata.distribution(requirement.name)
            # a local label such as +cpu names an index, not another version
            found[name] = package.version.split("+")[0]
            for line in package.requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return found


if __name__ == "__main__":
    sys.exit(main())
