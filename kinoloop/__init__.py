"""Kinoloop, the library: from your frames to a slate in a few lines, see docs/library.md.

    import kinoloop as kl

    data = kl.load_movielens("ml-100k")
    train, test = data.split("temporal", test_days=10)
    model = kl.build("ease").fit(train)
    model.recommend(["196"], k=10)

What this module hands on is public, and so is `kinoloop.client`, which asks a running service;
every other module of the package is private. Names are loaded when they are first used, so that
`import kinoloop` costs nothing and loads none of the platform.
"""

from importlib import import_module

__version__ = "0.2.0"

_HOMES = {
    "kinoloop.library.comparison": ("Comparison", "evaluate"),
    "kinoloop.library.dataset": ("Dataset",),
    "kinoloop.library.model": ("Model", "build", "load"),
    "kinoloop.library.public_data": (
        "load_kuairand",
        "load_kuairec",
        "load_microlens",
        "load_movielens",
        "load_recbole",
    ),
    "kinoloop.library.test_set": ("TestSet",),
    # for packages that bring parts of their own
    "kinoloop.data.catalogue": ("Catalogue",),
    "kinoloop.data.histories": ("Histories",),
    "kinoloop.ingestion.importers.base": ("IMPORTERS", "Landing"),
    "kinoloop.drift.base": ("Measurement", "Scene", "TestConfig", "drift_test"),
    "kinoloop.encoders.base": ("ENCODERS", "Encoder", "EncoderConfig", "TextEncoder"),
    "kinoloop.errors": (
        "BundleError",
        "ConfigError",
        "DataError",
        "KinoloopError",
        "NotFittedError",
    ),
    "kinoloop.evaluation.metrics.base": ("METRICS",),
    "kinoloop.evaluation.ranks": ("Ranks",),
    "kinoloop.models.base": ("RECOMMENDERS", "Recommender", "RecommenderConfig"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
