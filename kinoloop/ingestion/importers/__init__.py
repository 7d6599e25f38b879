"""Importers: public formats into a landing zone, one a file."""
