"""Privacy: pseudonyms today; encryption, opt-out and erasure are built on them."""
