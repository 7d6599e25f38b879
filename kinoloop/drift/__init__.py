"""Drift between two windows: tables, embeddings, predictions."""
