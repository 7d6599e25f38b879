"""Encoders: decoded video in, one vector a video out; one a file, registered by `kind`."""
