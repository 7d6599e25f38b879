"""Whole runs that show what Kinoloop does, made by code."""
