"""Release bundles: everything that serving needs, in one immutable directory."""
