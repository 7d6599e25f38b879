"""Splits, metrics, evaluation and paired comparison."""
