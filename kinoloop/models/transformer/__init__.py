"""The parts of the sequence recommender: network, batches, training and inference."""
