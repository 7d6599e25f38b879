"""Metrics, one a module: a value a row from the ranks of its targets, or one of all slates."""
