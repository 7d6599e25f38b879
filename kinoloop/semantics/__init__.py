"""What a video is about and how it feels: labels with scores, free tags and one line of text."""
