"""Metrics, one per module: a value per row from the ranks of its targets, or one of all slates."""
