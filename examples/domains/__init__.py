"""Catalogues of other domains, run by settings alone."""
