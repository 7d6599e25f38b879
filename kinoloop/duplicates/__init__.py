"""Near-duplicates: the same content in another codec, size or cut, found and grouped."""
