from tests.serving.conftest import bundle, service

__all__ = ["bundle", "service"]
