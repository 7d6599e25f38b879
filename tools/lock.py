"""Write requirements.lock: the exact versions that are installed and tested together, with hashes.

    python tools/lock.py            # writes the locks from the active environment
    python tools/lock.py --check    # status 1 if a version would change

Walks from the dependencies, all extras and the `dev` group of pyproject.toml through the metadata
of what is installed, so that packages which only happen to be there stay out. The hashes are those
that the package index has for every file of a version (uv reads them without downloading one); a
build that is installed from elsewhere, such as a CPU build of torch, adds its own. What the CUDA
build of torch needs besides goes into requirements-cuda.lock. To move a version: install it into
the environment, run the tests, write the locks again.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kinoloop.cli.machine_checks import LOCK, ROOT, pins_of

CUDA_LOCK = ROOT / "requirements-cuda.lock"
BENTOFILE = ROOT / "bentofile.yaml"
BUILD = ("setuptools>=80",)  # so that installing the project itself downloads nothing
HEADER = (
    "# The exact set tested together (Python 3.11, Linux x86-64), written by tools/lock.py\n"
    "# from an environment in which the tests passed; do not edit by hand.\n"
)
CUDA_HEADER = (
    "# What the CUDA build of torch needs besides requirements.lock, written by tools/lock.py;\n"
    "# `make env` installs it where that build was installed.\n"
)


def main() -> int:
    """Write or check the locks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    wanted = parser.parse_args()
    pins = {f"{name}=={version}" for name, version in closure().items()}
    if wanted.check:
        same = LOCK.exists() and _locked(LOCK.read_text(encoding="utf-8")) == pins
        sys.stdout.write(f"{LOCK.name} is {'up to date' if same else 'out of date'}\n")
        return 0 if same else 1
    LOCK.write_text(HEADER + with_hashes(pins), encoding="utf-8")
    CUDA_LOCK.write_text(CUDA_HEADER + cuda_extras(pins), encoding="utf-8")
    BENTOFILE.write_text(repinned(BENTOFILE.read_text(encoding="utf-8"), pins), encoding="utf-8")
    sys.stdout.write(f"{LOCK.name}: {len(pins)} packages\n")
    return 0


def closure() -> dict[str, str]:
    """Everything that the project needs, by canonical name, with the installed public version."""
    waiting = declared()
    found = {canonicalize_name(one.name): metadata.version(one.name) for one in carriers()}
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


def declared() -> list[Requirement]:
    """List what pyproject.toml asks for: dependencies, extras, the `dev` group and the build."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    project = document["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), BUILD]
    lists.append(document["dependency-groups"]["dev"])
    asked = [Requirement(line) for lines in lists for line in lines]
    return [one for one in asked if one.name != project["name"]]  # `all` names the other extras


def carriers() -> list[Requirement]:
    """List the packages that are installed without what they depend on."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in document["tool"]["kinoloop"]["carriers"]]


def with_hashes(pins: set[str]) -> str:
    """Make the lines of a lock: each pin with the SHA-256 of every file that it may install."""
    compiled = _compile(sorted(pins), "--no-deps")
    for pin in sorted(pins):
        name = pin.partition("==")[0]
        if "+" not in metadata.version(name):
            continue
        digest = _digest_of_build(pin)
        if digest not in compiled:
            first = f"{pin} \\\n"
            compiled = compiled.replace(first, f"{first}    --hash=sha256:{digest} \\\n")
    return compiled


def cuda_extras(pins: set[str]) -> str:
    """Make the lines of what torch's build of the package index needs and `pins` do not have."""
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as known:
        known.write("\n".join(sorted(pins)))
        known.flush()
        compiled = _compile([torch], "--constraint", known.name)
    blocks = re.split(r"(?m)^(?=[\w.\-]+==)", compiled)
    extra = [block for block in blocks if block and not _locked(block) <= pins]
    on_linux = re.compile(r"(?m)^([\w.\-]+==[^\s;\\]+)")
    return "".join(on_linux.sub(r'\1 ; sys_platform == "linux"', block) for block in extra)


def repinned(bentofile: str, pins: set[str]) -> str:
    """Put the locked versions into a bentofile."""
    locked = dict(pin.split("==") for pin in pins)
    return re.sub(
        r"(?m)^(    - )([\w\-]+)==\S+$", lambda m: f"{m[1]}{m[2]}=={locked[m[2]]}", bentofile
    )


def _compile(pins: list[str], *options: str) -> str:
    """Return what uv resolves, with hashes, for the platform that is tested."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "-", *options, "--quiet"),
        *("--generate-hashes", "--no-header", "--no-annotate"),
        *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"),
    ]
    done = subprocess.run(  # noqa: S603 (our own arguments)
        command, input="\n".join(pins), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"uv could not find the hashes: {done.stderr.strip()}")
    return done.stdout


def _locked(text: str) -> set[str]:
    return {f"{name}=={version}" for name, version in pins_of(text).items()}


def _digest_of_build(pin: str) -> str:
    """SHA-256 of the file that pip takes for a pin on this machine."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"),
        *("--no-deps", "--quiet", "--report", "-", pin),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    (chosen,) = json.loads(done.stdout)["install"]
    return str(chosen["download_info"]["archive_info"]["hashes"]["sha256"])


if __name__ == "__main__":
    sys.exit(main())
