"""Drift tests, one a file; see `kinoloop.drift.base`."""
