"""The bill of materials: every installed package with its version, licence and what it requires.

CycloneDX 1.6 by `cyclonedx-python-lib`, which pip-audit brings. Not by its command `cyclonedx-py`:
that one brings checkers of formats which every process that validates a JSON schema, and so every
process that imports Prefect, would import too (1.4 CPU seconds each). The same environment gives
the same bytes: there is no serial number and no time.
"""

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SUBJECT = "kinoloop"
DECLARED = LicenseAcknowledgement.DECLARED


def written(path: Path) -> set[str]:
    """Write the bill of the running environment; the canonical names that it lists."""
    installed: dict[str, Distribution] = {}
    for package in distributions():
        installed.setdefault(canonicalize_name(package.metadata["Name"]), package)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(installed), encoding="utf-8")
    return set(installed) - {SUBJECT}


def document(installed: dict[str, Distribution]) -> str:
    """Make the bill of packages by canonical name, the project itself as what it is about."""
    parts = {name: component(package) for name, package in installed.items()}
    bill = Bom(components=[part for name, part in parts.items() if name != SUBJECT])
    bill.metadata.component = parts.get(SUBJECT)
    for name, package in installed.items():
        needed = {canonicalize_name(Requirement(line).name) for line in package.requires or ()}
        bill.register_dependency(parts[name], [parts[one] for one in needed & set(parts) - {name}])
    made = json.loads(JsonV1Dot6(bill).output_as_string())
    del made["serialNumber"], made["metadata"]["timestamp"]  # of this moment only
    made["metadata"]["properties"] = [{"name": "cdx:reproducible", "value": "true"}]
    return json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def component(package: Distribution) -> Component:
    """Describe one package by its metadata."""
    name, version = package.metadata["Name"], package.version
    return Component(
        type=ComponentType.APPLICATION if name == SUBJECT else ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        name=name,
        version=version,
        description=package.metadata.get("Summary"),
        licenses=_one_form(list(_licences(package))),
        purl=None if name == SUBJECT else PackageURL("pypi", name=name, version=version),
    )


def _licences(package: Distribution) -> Iterator[License]:
    """Yield what the metadata declare: the expression (PEP 639), else classifiers and the field."""
    told, make = package.metadata, LicenseFactory().make_from_string
    if expression := told.get("License-Expression"):
        yield make(expression, license_acknowledgement=DECLARED)
        return
    for classifier in told.get_all("Classifier", []):
        if classifier.startswith("License ::") and classifier != "License :: OSI Approved":
            yield make(classifier.rpartition(" :: ")[2], license_acknowledgement=DECLARED)
    field = (told.get("License") or "").strip()
    if field and "\n" not in field:  # some put the whole text there
        yield make(field, license_acknowledgement=DECLARED)


def _one_form(licences: list[License]) -> list[License]:
    """Keep either an expression or the others: the format has no place for both."""
    expressions = [one for one in licences if isinstance(one, LicenseExpression)]
    return expressions[:1] or licences
