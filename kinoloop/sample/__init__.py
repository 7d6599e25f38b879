"""The sample dataset, made by code: media, catalogue and simulated users."""
