"""The ranker: will this user want this video, as a probability."""
