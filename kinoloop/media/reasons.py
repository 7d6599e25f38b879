"""Which reasons may pass, and who tries again."""

LEFT_OUT = ("stuck", "killed", "unreachable", "no_space")
"""The machine, the network or a server is to blame, not the file: the next run tries again."""

PASSING = ("timeout", "memory", "crashed")
"""A limit that was raised, a decoder that was fixed: `kinoloop extract --retry` tries again."""
