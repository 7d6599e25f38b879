"""Recommenders, one a file, each registered by its `kind`."""
