"""Committed tables and what is read from them: catalogue, histories, exposures, interest."""
