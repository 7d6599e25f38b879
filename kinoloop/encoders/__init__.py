"""Encoders: decoded video in, one vector per video out; one per file, registered by `kind`."""
