"""Training of concat-and-match."""
