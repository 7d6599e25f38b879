"""Say what is installed, and whether any of it has a known vulnerability.

    python tools/audit.py

Writes build/sbom.cdx.json, a CycloneDX bill of materials of the environment, and asks pip-audit for
the advisories of every package of requirements.lock. Status 1 if a locked package is not in the
bill, if any was not audited, or if one is vulnerable. Where advisories cannot be reached at all (a
network without the package index's advisory service) that is said, and nothing is claimed.
"""

import json
import subprocess
import sys
from typing import Any

from bill import written
from packaging.utils import canonicalize_name

from kinoloop.cli.machine_checks import LOCK, ROOT, pins_of

SBOM = ROOT / "build" / "sbom.cdx.json"


def main() -> int:
    """Write the bill of materials, then audit."""
    text = LOCK.read_text(encoding="utf-8")
    pins = pins_of(text)
    listed = written(SBOM)
    absent = sorted(set(pins) - listed)
    sys.stdout.write(f"{SBOM.relative_to(ROOT)}: {len(listed)} components, {len(pins)} locked\n")
    if absent:
        sys.stdout.write(f"not in the bill of materials: {', '.join(absent)}; `make env`\n")
        return 1
    first = text[text.index(next(iter(pins))) :].split("\n", 1)[0].rstrip(" \\")
    if _skipped(_advisories(first)):
        sys.stdout.write("audit: advisories cannot be reached from here, nothing was audited\n")
        return 0
    outcome, good = judged(_advisories(text), pins)
    sys.stdout.write(f"audit: {outcome}\n")
    return 0 if good else 1


def judged(found: list[dict[str, Any]], pins: dict[str, str]) -> tuple[str, bool]:
    """Sum up an audit in one line, and say whether it passes: all looked at, none vulnerable."""
    skipped = _skipped(found)
    bad = {
        f"{entry['name']} {entry['version']}: {flaw['id']}"
        for entry in found
        for flaw in entry.get("vulns", ())
    }
    audited = {canonicalize_name(entry["name"]) for entry in found} - set(skipped)
    if audited != set(pins):
        missing = sorted(set(pins) - audited)
        return f"{len(audited)} of {len(pins)} audited; not {', '.join(missing)}", False
    if bad:
        return f"{len(audited)} audited, vulnerable: {'; '.join(sorted(bad))}", False
    return f"{len(audited)} of {len(pins)} audited, none vulnerable", True


def _advisories(lock: str) -> list[dict[str, Any]]:
    command = [
        *(sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner"),
        *("off", "--format", "json", "--requirement", "/dev/stdin"),
    ]
    done = subprocess.run(  # noqa: S603 (our own arguments)
        command, input=lock, capture_output=True, text=True, check=False
    )
    if not done.stdout.strip():  # neither an answer nor advisories
        return [{"name": name, "skip_reason": done.stderr} for name in pins_of(lock)]
    found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return found


def _skipped(found: list[dict[str, Any]]) -> list[str]:
    return [canonicalize_name(entry["name"]) for entry in found if "skip_reason" in entry]


if __name__ == "__main__":
    sys.exit(main())
