"""Recommenders, one per file, each registered by its `kind`."""
