"""Tiny data and contracts that ship with the package: a new part's main test is two lines."""
