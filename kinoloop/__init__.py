"""Kinoloop, the library: data, media, encoders, recommenders, evaluation, release bundles, drift.

Usable from a notebook with none of the platform (Prefect, BentoML, DVC, Great Expectations)
installed.
"""

__version__ = "0.2.0"
