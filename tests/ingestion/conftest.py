import pytest

from tests.ingestion.landing_zone import EVENTS, VIDEOS, Zone


@pytest.fixture
def zone(tmp_path):
    return Zone(tmp_path)


@pytest.fixture
def filled(zone):
    """A zone with two videos and two events, not ingested yet."""
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS)
    return zone
