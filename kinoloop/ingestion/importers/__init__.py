"""Importers: public formats into a landing zone, one per file."""
