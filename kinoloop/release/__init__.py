"""Release bundles: all that serving needs in one immutable directory, without a pickle."""
