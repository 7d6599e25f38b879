"""Drift tests, one per file; see `kinoloop.drift.base`."""
