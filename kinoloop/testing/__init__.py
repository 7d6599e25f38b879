"""Tiny data and contracts that ship with the package, so that a new part's main test is two lines."""
