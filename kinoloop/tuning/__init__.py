"""Search for better settings of a candidate."""
