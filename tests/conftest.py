"""What all tests share."""

import pytest


@pytest.fixture(scope="session")
def prefect_server():
    """A real Prefect server on a free port with a database of its own, one for the session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
