"""Training of concat-and-match and of the two towers."""
