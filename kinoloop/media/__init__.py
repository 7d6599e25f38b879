"""From media files to frames, sound and words, in guarded worker processes."""
