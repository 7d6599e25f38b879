"""The running service keeps its own OpenAPI document: whatever that allows or forbids is asked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = int(os.environ.get("CONTRACT_CASES", "8"))  # an operation and phase; 10,000 in all: 1000


@pytest.mark.slow
@pytest.mark.e2e
def test_the_service_keeps_its_openapi_document(service):
    """No 5xx, statuses and bodies as described, nothing forbidden taken or allowed refused."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file",
               str(Path(__file__).with_name("schemathesis.toml")), "run",
               "--seed", "1", "--generation-deterministic", "--max-examples", str(CASES),
               "--continue-on-failure", "--request-timeout", "60", "--no-color",
               f"{service.url}/docs.json"]  # fmt: skip
    asked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=service.folder)
    assert asked.returncode == 0, asked.stdout[-8000:]
    (generated,) = re.findall(r"(\d+) generated", asked.stdout)
    assert int(generated) > 300, asked.stdout[-2000:]
