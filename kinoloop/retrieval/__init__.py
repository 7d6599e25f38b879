"""Nearest neighbours where a catalogue is too large to score every video."""
