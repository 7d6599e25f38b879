"""Other people's recommenders, each in an environment of its own."""
