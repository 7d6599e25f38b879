from tests.ingestion.conftest import filled, zone

__all__ = ["filled", "zone"]
