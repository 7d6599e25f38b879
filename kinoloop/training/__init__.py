"""Candidates on one split: fitted, measured, chosen; a ranker for the winner; torchrun."""
