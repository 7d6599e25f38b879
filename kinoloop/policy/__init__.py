"""Rules of slates: which videos may be there, in which order, at which places."""
